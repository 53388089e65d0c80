/** `tlsession/metrics`: what the library counts, as metrics of prom-client, which is an optional peer. */
export {
  collectMetrics,
  Metrics,
  type MetricsOptions,
  type PromClientModule,
  type Watched,
} from '../metrics/metrics.ts';

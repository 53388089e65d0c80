/** `tlsession/undici`: a connector for undici, and so for fetch, over this library's TLS. */
export {
  buildConnector,
  type Connector,
  type ConnectorOptions,
  type ConnectorTarget,
} from '../net/undici.ts';

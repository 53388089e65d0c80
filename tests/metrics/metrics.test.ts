/** prom-client itself, over real connections: what a scrape shows is what happened. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as promClient from 'prom-client';
import { expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { ClientSessionCache, connect, SessionCache, TicketKeyring } from '../../src/entry/index.ts';
import { collectMetrics } from '../../src/entry/metrics.ts';
import { earlyDataReasons, resumptionReasons } from '../../src/session/resumption-reason.ts';
import { listen, trusting, visit } from '../net/pair.ts';

/** The samples of a scrape, by name with labels. */
async function scrape(register: promClient.Registry): Promise<Map<string, number>> {
  const text = await register.metrics();
  return new Map(
    [...text.matchAll(/^(\w+(?:\{[^}]*\})?) (\S+)$/gm)].map(([, name = '', value = '']) => [
      name,
      Number(value),
    ]),
  );
}

test('handshakes, resumptions, caches and keys of real connections', async () => {
  const register = new promClient.Registry();
  using metrics = collectMetrics(promClient, { register });
  using keyring = TicketKeyring.create({ provider: nodeProvider, rotateEverySec: 3600 }, Date.now() - 60_000);
  const sessionCache = new ClientSessionCache();
  await using site = await listen({ ticketKeyring: keyring });
  const options = await trusting(site.port, { sessionCache });
  metrics.watch('web', { sessions: new SessionCache(site.server.context.sessions), keyring });
  const ends = metrics.watch('crawler', { clientCache: sessionCache });
  expect(() => metrics.watch('web', {})).toThrow(/watched already/);

  await visit(options, 'hello', 2);
  await visit(options);
  await visit(options);
  // A client that trusts nobody here ends its handshake with an alert.
  const refused = connect({ ...options, ca: [] });
  await once(refused, 'error');
  while (site.failures.length === 0) await new Promise((done) => setTimeout(done, 5));

  const seen = await scrape(register);
  const value = (name: string): number | undefined => seen.get(`tlsession_${name}`);
  for (const role of ['client', 'server']) {
    const completed = `handshakes_total{role="${role}",protocol="TLSv1.3",result="completed",failure=""}`;
    expect(value(completed), role).toBe(3);
    expect(value(`handshake_duration_seconds_count{role="${role}",resumed="true"}`)).toBe(2);
    expect(value(`handshake_duration_seconds_count{role="${role}",resumed="false"}`)).toBe(1);
  }
  const failures = [...seen].filter(([name]) => name.includes('result="failed"'));
  expect(failures.map(([name, count]) => [/failure="([\w-]+)"/.exec(name)?.[1], count]).sort()).toEqual([
    ['peer-alert', 1],
    ['unknown-ca', 1],
  ]);
  const web = '{context="web"}';
  expect(value(`sess_accept_total${web}`)).toBe(4);
  expect(value(`sess_accept_good_total${web}`)).toBe(3);
  expect(value(`sess_hits_total${web}`)).toBe(2);
  expect(value(`not_resumed_total{context="web",reason="no-session-offered"}`)).toBe(1);
  expect(value(`ticket_keys{context="web",role="current"}`)).toBe(1);
  expect(value(`ticket_keys{context="web",role="next"}`)).toBe(1);
  expect(value(`ticket_key_seals${web}`)).toBe(4);
  expect(value(`ticket_key_age_seconds${web}`)).toBeGreaterThanOrEqual(60);
  const crawler = '{context="crawler"}';
  expect(value(`client_cache_hits_total${crawler}`)).toBe(2);
  expect(value(`client_cache_misses_total${crawler}`)).toBe(2);
  expect(value(`client_cache_peers${crawler}`)).toBe(1);
  // Every reason has a series from the start, so that a rate over it is one.
  const reasonsOf = (name: string): number => [...seen.keys()].filter((key) => key.includes(name)).length;
  expect(reasonsOf('not_resumed_total{')).toBe(resumptionReasons.length);
  expect(reasonsOf('early_data_refused_total{')).toBe(earlyDataReasons.length);

  ends();
  expect((await scrape(register)).has(`tlsession_client_cache_peers${crawler}`)).toBe(false);
  // A scrape twice shows the same: what is read is not added up.
  expect((await scrape(register)).get(`tlsession_sess_hits_total${web}`)).toBe(2);
  keyring.destroy();
  expect((await scrape(register)).get('tlsession_ticket_keys{context="web",role="current"}')).toBe(0);
  sessionCache.clear();
});

test('stop leaves nothing behind, in the registry or on the channels', async () => {
  const register = new promClient.Registry();
  const metrics = collectMetrics(promClient, { register, prefix: 'tls_' });
  expect((await register.getMetricsAsJSON()).length).toBeGreaterThan(30);
  metrics.stop();
  expect(await register.getMetricsAsJSON()).toEqual([]);
  const { default: diagnosticsChannel } = await import('node:diagnostics_channel');
  expect(diagnosticsChannel.hasSubscribers('tlsession:handshake')).toBe(false);
  // And may begin again.
  collectMetrics(promClient, { register, prefix: 'tls_' }).stop();
});

test('docs/diagnostics.md names every metric', async () => {
  const register = new promClient.Registry();
  using metrics = collectMetrics(promClient, { register });
  expect(metrics).toBeDefined();
  const page = readFileSync(join(import.meta.dirname, '../../docs/diagnostics.md'), 'utf8');
  const rows = new Set(
    [...page.matchAll(/^\| (`tlsession_[^|]*) \|/gm)].flatMap(([, cell = '']) =>
      cell.match(/tlsession_\w+/g),
    ),
  );
  const names = (await register.getMetricsAsJSON()).map(({ name }) => name);
  expect([...rows].sort()).toEqual(names.sort());
});

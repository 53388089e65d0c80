/** `npm run bench -- NAME`: runs a benchmark and prints its table; scripts/bench.mjs starts it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fleet, fleetStack } from './fleet.ts';
import { handshake, handshakeStack } from './handshake.ts';
import { type Benchmark, type Report, render } from './harness.ts';
import { STACK_VARIABLE, serveStack } from './stack-process.ts';
import { stream, streamStack } from './stream.ts';

const benchmarks: Record<string, { about: string; load: () => Promise<Benchmark> }> = {
  session: {
    about: 'the session object beside libssl in C',
    load: async () => (await import('./session.ts')).session,
  },
  handshake: {
    about: 'CPU a handshake beside node:tls and lemon-tls',
    load: async () => handshake,
  },
  stream: {
    about: 'bulk and echo beside node:tls',
    load: async () => stream,
  },
  fleet: {
    about: 'what stores between servers cost, and stock node:tls with and without them',
    load: async () => fleet,
  },
  crypto: {
    about: 'the node provider beside node:crypto',
    load: async () => (await import('./crypto.ts')).run,
  },
  pki: {
    about: 'certificate paths beside their signatures and pkijs',
    load: async () => (await import('./pki.ts')).pki,
  },
  cache: {
    about: "the context's cache beside libssl's, from 1,000 to 1,000,000 sessions",
    load: async () => (await import('./cache.ts')).cache,
  },
};

const usage = `npm run bench -- NAME… [options]

${Object.entries(benchmarks)
  .map(([name, { about }]) => `  ${name.padEnd(12)}${about}`)
  .join('\n')}
  ${'all'.padEnd(12)}each of them

  --only TEXT  of stream and crypto the rows with TEXT in their name
  --rounds N   rounds that count (default 9), of which the median is taken
  --json FILE  the figures as JSON too, and plots beside them
  --node N     run under Node 24 or 26 (fetched by npm run node-versions)
  --smoke      a few iterations only: shows that it runs, not how fast
`;

async function main(): Promise<number> {
  const stack = process.env[STACK_VARIABLE];
  if (stack !== undefined) {
    const at = stack.indexOf('/');
    const name = stack.slice(at + 1);
    switch (stack.slice(0, at)) {
      case 'stream':
        await serveStack(await streamStack(name));
        break;
      case 'fleet':
        await serveStack(await fleetStack(name));
        break;
      default:
        await serveStack(await handshakeStack(name));
    }
    return 0;
  }

  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '9' },
      json: { type: 'string' },
      only: { type: 'string', default: '' },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const names = positionals.includes('all') ? Object.keys(benchmarks) : positionals;
  const unknown = names.find((name) => !Object.hasOwn(benchmarks, name));
  if (values.help || names.length === 0 || unknown !== undefined || !Number.isInteger(rounds) || rounds < 1) {
    if (unknown !== undefined) console.error(`there is no benchmark '${unknown}'`);
    (values.help ? console.log : console.error)(usage);
    return values.help ? 0 : 2;
  }

  const reports: Record<string, Report> = {};
  for (const name of names) {
    const benchmark = await benchmarks[name]!.load();
    const report = await benchmark({
      rounds,
      smoke: values.smoke,
      only: values.only,
      say: (text) => console.error(`${name}: ${text} …`),
    });
    reports[name] = report;
    console.log(`\n${render(report, values.smoke)}`);
    if (values.smoke) console.log('(--smoke: these figures say nothing)');
  }
  if (values.json) {
    const path = resolve(values.json);
    mkdirSync(dirname(path), { recursive: true });
    const about = {
      date: new Date().toISOString(),
      node: process.version,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      rounds: values.smoke ? 1 : rounds,
      smoke: values.smoke,
    };
    writeFileSync(path, `${JSON.stringify({ ...about, reports }, null, 2)}\n`);
    for (const [name, { plot }] of Object.entries(reports)) {
      if (plot !== undefined) writeFileSync(path.replace(/(\.json)?$/, `-${name}.svg`), plot(about.date));
    }
  }
  return 0;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  return 1;
});

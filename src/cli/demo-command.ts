/** `tlsession demo`: the table and the page of what demo.ts runs. */
import type { Command } from 'commander';
import { PeerCertificate } from '../session/body.ts';
import { describeSession } from '../session/describe.ts';
import { readSession } from '../session/forms.ts';
import { resumability } from '../session/resumability.ts';
import { summarize } from './certificate.ts';
import { type DemoOptions, type DemoReport, type DemoStep, runDemo } from './demo.ts';
import { CliError, type CliIo } from './io.ts';
import { sessionPage } from './session-page.ts';
import { jsonText, numberText, painter } from './words.ts';

export function registerDemo(program: Command, io: CliIo, options: DemoOptions = {}): void {
  program
    .command('demo')
    .summary('full and resumed connections over loopback, and the proof of each')
    .description(
      'Runs a server and clients over TCP on loopback with a throw-away certificate: full and resumed handshakes, ' +
        'one of them from a session in a file, and to and from stock node:tls. Every line is checked: both ends have ' +
        'to say the same, and resumption is read off the wire. Exit code 1, and the reason, if anything is not as it says.',
    )
    .option('--json', 'the report for programs')
    .action(({ json }: { json?: true }) => demo(json === true, io, options));
}

async function demo(json: boolean, io: CliIo, options: DemoOptions): Promise<void> {
  const paint = painter(io.colors);
  let page = '';
  const report = await runDemo(
    options,
    () => {},
    (file, bytes) => {
      page = pageOf(file, bytes, io);
    },
  );
  if (json) {
    io.out(`${jsonText(report)}\n`);
  } else {
    io.out(`${paint('bold', 'TLS 1.3 over TCP on loopback')}, Node ${report.node.slice(1)}\n\n`);
    io.out(tableOf(report, io.colors));
    io.out(references(report.steps));
    if (page !== '') io.out(`\n${paint('bold', 'The session that went through a file')}\n\n${page}`);
  }
  if (!report.ok) throw new CliError(1, `demo: ${report.reason}`);
}

function tableOf({ steps }: DemoReport, colors: boolean): string {
  const paint = painter(colors);
  const head = ['client → server', 'kind', 'protocol', 'cipher', 'resumed', 'CPU', 'sent', 'received'];
  const rows = steps.map((step) => [
    `${step.client} → ${step.server}`,
    step.kind,
    step.protocol,
    step.cipher,
    step.resumed ? 'yes' : 'no',
    `${step.cpuMs.toFixed(1)} ms`,
    `${numberText(step.bytesUp)} B`,
    `${numberText(step.bytesDown)} B`,
  ]);
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i < 5 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  let text = `${paint('dim', line(head))}\n`;
  for (const [i, step] of steps.entries()) {
    const row = line(rows[i] ?? []);
    text += `${step.resumed ? paint('green', row) : row}\n`;
    text += paint('dim', `    ${step.why}; the server sent ${step.serverMessages.map(camel).join(', ')}`);
    text += '\n';
  }
  return `${text}\nCPU is that of both ends, and of code that is still being compiled; sent and received are the client's, on the wire.\n`;
}

/** `encrypted_extensions` as RFCs write it. */
function camel(name: string): string {
  return name.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function references(steps: readonly DemoStep[]): string {
  const rows = steps.filter((step) => step.references.length > 0);
  if (rows.length === 0) return '';
  const width = Math.max(...rows.map((step) => `${step.client} → ${step.server}, ${step.kind}`.length));
  const lines = rows.map((step) => {
    const counts = step.references.map(({ at, count }) => `${at} ${count}`).join(', ');
    return `  ${`${step.client} → ${step.server}, ${step.kind}`.padEnd(width)}  ${counts}\n`;
  });
  return `\nReferences of the session at each step:\n${lines.join('')}`;
}

/** As `tlsession inspect` shows that file. */
function pageOf(file: string, bytes: Uint8Array, io: CliIo): string {
  const nowMs = io.clock.wallMs();
  const { session, form, nodeHost } = readSession(bytes, null, nowMs, 'demo');
  try {
    const { peer } = session.body('demo');
    return sessionPage(
      {
        file,
        form,
        bytes: bytes.length,
        nodeHost,
        session: describeSession(session, { nowMs }),
        untilMs: resumability(session, nowMs).untilMs,
        certificate: peer === null ? null : { summary: summarize(PeerCertificate.view(peer)) },
      },
      nowMs,
      io.colors,
    );
  } finally {
    session.free('demo');
  }
}

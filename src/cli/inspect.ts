/** `tlsession inspect`: shows a session and changes its form. */
import { type Command, Option } from 'commander';
import { PeerCertificate } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { encodeSession } from '../session/der.ts';
import { describeSession } from '../session/describe.ts';
import { encodeEnvelope } from '../session/envelope.ts';
import { MAX_INPUT_BYTES, type ReadSession, readSession, type SessionForm } from '../session/forms.ts';
import { wrapNodeForm } from '../session/node-form.ts';
import { encodePem } from '../session/pem.ts';
import { resumability } from '../session/resumability.ts';
import { printKeyLog, printSession } from '../session/text.ts';
import { DecodeError } from '../util/errors.ts';
import { certificatePem, summarize } from './certificate.ts';
import { CliError, type CliIo } from './io.ts';
import { type InspectedSession, obstacles, sessionPage } from './session-page.ts';
import { jsonText } from './words.ts';

const IN_FORMS = ['auto', 'PEM', 'DER', 'node', 'envelope'] as const;
const OUT_FORMS = ['PEM', 'DER', 'NSS', 'JSON', 'node', 'envelope'] as const;
type OutForm = (typeof OUT_FORMS)[number];

interface InspectOptions {
  readonly inform: (typeof IN_FORMS)[number];
  readonly outform?: OutForm;
  readonly out?: string;
  readonly host?: string;
  readonly text?: true;
  readonly json?: true;
  readonly cert?: true;
  readonly secrets?: true;
}

export function registerInspect(program: Command, io: CliIo): void {
  program
    .command('inspect')
    .summary('show a session file, or write it in another form')
    .description(
      'Shows what a session file is: whether it can still be resumed, for how long, how often, and with whom. ' +
        'Reads what openssl, node:tls and tlsession save. Secrets are not shown, but by --text, --secrets and every --outform but JSON.',
    )
    .argument('<file>', 'a session file, or - for the standard input')
    .addOption(choice('--inform <form>', 'the form of the file', IN_FORMS).default('auto'))
    .addOption(choice('--outform <form>', 'write the session in this form', OUT_FORMS))
    .option('--out <file>', 'write there and not to the standard output; readable for its owner alone')
    .option('--host <name>', 'the name for --outform node, when the session does not say it')
    .option('--text', 'the text of `openssl sess_id -text`, secrets included')
    .option('--json', 'the same facts as the page, for programs')
    .option('--cert', "the peer's certificate in PEM")
    .option('--secrets', 'with --json and --outform JSON: the secrets too')
    .action((file: string, options: InspectOptions) => inspect(file, options, io));
}

/** Choices are taken in any case: openssl's -inform is. */
function choice(flags: string, description: string, forms: readonly string[]): Option {
  const option = new Option(flags, description).choices([...forms]);
  const { parseArg } = option;
  option.argParser((value, previous) => {
    const form = forms.find((known) => known.toLowerCase() === value.toLowerCase());
    return parseArg?.(form ?? value, previous);
  });
  return option;
}

async function inspect(file: string, options: InspectOptions, io: CliIo): Promise<void> {
  checkUsage(options);
  const bytes = await io.read(file, MAX_INPUT_BYTES);
  const nowMs = io.clock.wallMs();
  const { session, form, nodeHost } = readInput(file, bytes, options, nowMs);
  try {
    const { peer } = session.body('inspect');
    const inspected: InspectedSession = {
      file,
      form,
      bytes: bytes.length,
      nodeHost,
      session: describeSession(session, { nowMs, secrets: options.secrets === true }),
      untilMs: resumability(session, nowMs).untilMs,
      certificate: peer === null ? null : { summary: summarize(PeerCertificate.view(peer)) },
    };
    if (options.text) io.out(fromLatin1(printSession(session).text));
    if (options.json) io.out(`${json(inspected, nowMs)}\n`);
    if (options.cert) {
      if (peer !== null) io.out(certificatePem(PeerCertificate.view(peer)));
      else io.err('the session has no certificate\n');
    }
    if (options.outform) await write(session, inspected, options.outform, options, io, nowMs);
    if (!options.text && !options.json && !options.cert && !options.outform) {
      io.out(sessionPage(inspected, nowMs, io.colors));
    }
  } finally {
    session.free('inspect');
    bytes.fill(0);
  }
}

function checkUsage({ outform, out, host, json: asJson, secrets }: InspectOptions): void {
  if (out !== undefined && outform === undefined) throw new CliError(2, '--out needs --outform');
  if (host !== undefined && outform !== 'node') throw new CliError(2, '--host is for --outform node');
  if (secrets && !asJson && outform !== 'JSON') {
    throw new CliError(2, '--secrets is for --json and --outform JSON');
  }
}

function readInput(file: string, bytes: Uint8Array, { inform }: InspectOptions, nowMs: number): ReadSession {
  const form: SessionForm | null = inform === 'auto' ? null : inform;
  try {
    return readSession(bytes, form, nowMs, 'inspect');
  } catch (error) {
    bytes.fill(0);
    if (!(error instanceof DecodeError)) throw error;
    const name = file === '-' ? 'standard input' : file;
    const where = error.code === 'ERR_SESSION_UNKNOWN_FORM' ? '' : ` (byte ${error.offset})`;
    throw new CliError(3, `${name}: ${error.message}${where}`);
  }
}

async function write(
  session: SessionCore,
  inspected: InspectedSession,
  form: OutForm,
  { out, host }: InspectOptions,
  io: CliIo,
  nowMs: number,
): Promise<void> {
  const bytes = encode(session, inspected, form, host, nowMs);
  if (out === undefined) io.out(bytes);
  else await io.writeSecret(out, typeof bytes === 'string' ? fromLatin1(bytes) : bytes);
}

function encode(
  session: SessionCore,
  inspected: InspectedSession,
  form: OutForm,
  host: string | undefined,
  nowMs: number,
): Uint8Array | string {
  switch (form) {
    case 'DER':
      return encodeSession(session);
    case 'PEM':
      return encodePem(encodeSession(session));
    case 'envelope':
      return encodeEnvelope(session);
    case 'JSON':
      return `${json(inspected, nowMs)}\n`;
    case 'NSS': {
      const line = printKeyLog(session);
      if (line === null) throw new CliError(3, `${inspected.file}: without an id there is no line for NSS`);
      return line;
    }
    case 'node': {
      const { bindings, hostname } = inspected.session;
      const name = host ?? inspected.nodeHost ?? bindings?.host ?? hostname;
      if (!name) throw new CliError(2, 'the session does not say its host: give --host');
      return wrapNodeForm(encodeSession(session), name);
    }
  }
}

function json(inspected: InspectedSession, nowMs: number): string {
  const { file, form, bytes, nodeHost, session, untilMs, certificate } = inspected;
  const against = obstacles(inspected, nowMs);
  return jsonText({
    file,
    form,
    bytes,
    nodeHost,
    ...session,
    resumable: against.length === 0,
    notResumableReasons: against,
    resumableUntilMs: untilMs,
    peerCertificate: certificate?.summary ?? null,
  });
}

function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

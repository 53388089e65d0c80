/** `tlsession verify`: finds a certificate path, or says of each that was tried why it is none. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { nodeProvider } from '../crypto/node/index.ts';
import { certificateBytes, type TrustAnchor, TrustAnchors } from '../pki/anchors.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { RevocationLists } from '../pki/crl.ts';
import { generalNameText } from '../pki/general-name.ts';
import { pathReasonText } from '../pki/reason.ts';
import type { Profile } from '../pki/relaxations.ts';
import { DEFAULT_MAX_DEPTH, type PathAttempt, type PathFailure, type PathSuccess } from '../pki/result.ts';
import type { Purpose } from '../pki/rules.ts';
import { parseReferenceName } from '../pki/server-name.ts';
import { validateCertificatePath } from '../pki/validate.ts';
import { toHex } from '../util/bytes.ts';
import { DecodeError, UsageError } from '../util/errors.ts';
import { CliError, type CliIo } from './io.ts';
import { dateText, jsonText, painter, printable } from './words.ts';

/** Bundles of all public roots have a quarter of a megabyte; revocation lists are the largest files. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const LARGEST_DEPTH = 255;

interface VerifyOptions {
  readonly ca: readonly string[];
  readonly untrusted?: readonly string[];
  readonly crl?: readonly string[];
  readonly ocsp?: string;
  readonly name?: string;
  readonly at?: number;
  readonly maxDepth: number;
  readonly profile: Profile;
  readonly purpose: Purpose;
  readonly json?: true;
}

export function registerVerify(program: Command, io: CliIo): void {
  program
    .command('verify')
    .summary('find the path from a certificate to an anchor, or say why there is none')
    .description(
      'Builds and validates certificate paths to RFC 5280, and prints the path found, or each path tried and why it ' +
        'failed. Files are PEM or DER, - is the standard input; a PEM file may hold several certificates, and those ' +
        'after the leaf count as untrusted. Exit code 0: a path was found. 1: there is none. 2: called wrongly. ' +
        '3: an input cannot be read.',
    )
    .argument('<leaf>', 'the certificate to verify')
    .addOption(files('--ca <file>', 'trust anchors; may be given more than once').makeOptionMandatory())
    .addOption(files('--untrusted <file>', 'other certificates to build with; may be given more than once'))
    .option('--name <host>', 'the DNS name or IP address that it must be for', referenceName)
    .option('--at <time>', 'the time to judge, in ISO 8601 or seconds since 1970; default now', time)
    .option('--max-depth <n>', 'most intermediates, self-issued ones not counted', depth, DEFAULT_MAX_DEPTH)
    .addOption(
      new Option('--profile <profile>', 'which rules')
        .choices(['compatible', 'rfc5280'])
        .default('compatible'),
    )
    .addOption(
      new Option('--purpose <purpose>', 'the role of its holder')
        .choices(['server', 'client'])
        .default('server'),
    )
    .addOption(files('--crl <file>', 'revocation lists; may be given more than once'))
    .option('--ocsp <file>', 'a stapled OCSP answer, in DER')
    .option('--json', 'the result for programs')
    .action((leaf: string, options: VerifyOptions) => verify(leaf, options, io));
}

function files(flags: string, description: string): Option {
  return new Option(flags, description).argParser(
    (value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value],
  );
}

function referenceName(value: string): string {
  try {
    parseReferenceName(value);
    return value;
  } catch (error) {
    if (error instanceof UsageError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

function depth(value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number > LARGEST_DEPTH) {
    throw new InvalidArgumentError(`not a number from 0 to ${LARGEST_DEPTH}`);
  }
  return number;
}

/** Days, and times with a zone: a time without one would mean something else on another machine. */
const ISO_8601 = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

function time(value: string): number {
  const ms = /^-?\d+$/.test(value)
    ? Number(value) * 1000
    : ISO_8601.test(value)
      ? Date.parse(value)
      : Number.NaN;
  if (!(Math.abs(ms) <= 8.64e15)) {
    throw new InvalidArgumentError('not a time such as 2026-11-23, 2026-11-23T09:00:00Z or 1795424400');
  }
  return ms;
}

/** Reads a file and makes something of it; what is wrong with the contents is exit code 3 too. */
async function load<T>(io: CliIo, path: string, read: (bytes: Uint8Array) => T): Promise<T> {
  const bytes = await io.read(path, MAX_FILE_BYTES);
  if (bytes.length > MAX_FILE_BYTES) throw new CliError(3, `${path}: more than ${MAX_FILE_BYTES} bytes`);
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof UsageError || error instanceof DecodeError) {
      throw new CliError(3, `${path}: ${error.message}`);
    }
    throw error;
  }
}

/** All certificates of a file, of which the frame can be read. */
function certificatesOf(bytes: Uint8Array): Uint8Array[] {
  const list = certificateBytes(bytes);
  for (const der of list) parseCertificate(der);
  return list;
}

async function verify(leafFile: string, options: VerifyOptions, io: CliIo): Promise<void> {
  const [leaf, ...sent] = await load(io, leafFile, certificatesOf);
  const anchors: Uint8Array[] = [];
  for (const path of options.ca) anchors.push(...(await load(io, path, certificatesOf)));
  const untrusted: Uint8Array[] = [];
  for (const path of options.untrusted ?? []) untrusted.push(...(await load(io, path, certificatesOf)));
  const lists: Uint8Array[] = [];
  for (const path of options.crl ?? []) {
    lists.push(
      await load(io, path, (bytes) => {
        RevocationLists.from(bytes);
        return bytes;
      }),
    );
  }
  const ocsp = options.ocsp === undefined ? undefined : await load(io, options.ocsp, (bytes) => bytes);

  const result = validateCertificatePath({
    provider: nodeProvider,
    chain: [leaf as Uint8Array, ...sent, ...untrusted],
    anchors: TrustAnchors.from(anchors),
    purpose: options.purpose,
    name: options.name,
    atMs: options.at ?? io.clock.wallMs(),
    profile: options.profile,
    maxDepth: options.maxDepth,
    crls: lists.length === 0 ? undefined : RevocationLists.from(lists),
    ocsp,
    traceAttempts: true,
  });
  if (options.json) io.out(`${jsonText(result.ok ? successJson(result) : failureJson(result))}\n`);
  else io.out(result.ok ? successText(result, io.colors) : failureText(result, io.colors));
  if (!result.ok) throw new CliError(1, `${leafFile}: no valid path: ${result.message}`);
}

function describe(certificate: Certificate): object {
  return {
    subject: certificate.subject.toString(),
    issuer: certificate.issuer.toString(),
    serialNumber: toHex(certificate.serialNumber),
    notBefore: isoText(certificate.notBeforeMs),
    notAfter: isoText(certificate.notAfterMs),
    sha256: toHex(nodeProvider.digest('sha256', certificate.der)),
  };
}

function isoText(ms: number): string {
  return new Date(ms).toISOString();
}

function anchorJson(anchor: TrustAnchor): object {
  return anchor.certificate === null ? { subject: anchor.subject.toString() } : describe(anchor.certificate);
}

function successJson(result: PathSuccess): object {
  return {
    ok: true,
    path: result.path.map(describe),
    anchor: anchorJson(result.anchor),
    matchedName: result.matchedName,
    validFrom: isoText(result.validFromMs),
    validUntil: isoText(result.validUntilMs),
  };
}

function failureJson(result: PathFailure): object {
  const { reason, depth: place, message, relaxation, alert, nodeCode } = result;
  return {
    ok: false,
    reason,
    depth: place,
    message,
    relaxation,
    failure: alert,
    nodeCode,
    attempts: result.attempts.map((attempt) => ({
      path: attempt.path.map(({ subject }) => subject.toString()),
      anchor: attempt.anchor?.subject.toString() ?? null,
      reason: attempt.reason,
      depth: attempt.depth,
      message: attempt.message,
    })),
  };
}

function successText(result: PathSuccess, colors: boolean): string {
  const paint = painter(colors);
  const lines = [paint('green', 'a valid path')];
  for (const [place, certificate] of result.path.entries()) {
    lines.push(
      `  ${String(place).padStart(2)}  ${printable(certificate.subject.toString()) || '(no subject)'}`,
    );
    if (place === 0) {
      const names = (certificate.subjectAltNames ?? []).slice(0, 5).map(generalNameText);
      if (names.length > 0) lines.push(paint('dim', `        ${names.join(', ')}`));
    }
    lines.push(
      paint(
        'dim',
        `        from ${dateText(certificate.notBeforeMs)} until ${dateText(certificate.notAfterMs)}`,
      ),
    );
  }
  lines.push(`   ^  ${printable(result.anchor.subject.toString())}  (trusted)`);
  if (result.matchedName !== null) lines.push(`for ${result.matchedName}`);
  lines.push(`valid until ${dateText(result.validUntilMs)}`);
  return `${lines.join('\n')}\n`;
}

function attemptText(attempt: PathAttempt): string {
  const names = attempt.path.map(({ subject }) => printable(subject.toString()) || '(no subject)');
  if (attempt.anchor !== null) names.push(`${printable(attempt.anchor.subject.toString())} (trusted)`);
  const place = names[attempt.depth] ?? names.at(-1);
  return [
    ...names.map((name, i) => `  ${String(i).padStart(2)}  ${name}`),
    `      ${place}: ${attempt.reason}: ${printable(attempt.message)}`,
  ].join('\n');
}

function failureText(result: PathFailure, colors: boolean): string {
  const paint = painter(colors);
  const head = `${paint('red', 'no valid path')}: ${result.reason}: ${pathReasonText(result.reason)}`;
  const where = `certificate ${result.depth}: ${printable(result.message)}`;
  if (result.attempts.length === 0) return `${head}\n${where}\n`;
  const tried = result.attempts.map(attemptText).join('\n');
  return `${head}\n${where}\ntried:\n${tried}\n`;
}

/** The page that `tlsession inspect` shows of a session: what it is and whether it is still of use. */
import type { SessionDescription } from '../session/describe.ts';
import type { SessionForm } from '../session/forms.ts';
import { type NotResumableReason, notResumableText } from '../session/resumability.ts';
import { ProtocolVersion } from '../util/registries.ts';
import type { CertificateSummary } from './certificate.ts';
import { bytesText, dateText, durationText, numberText, painter, printable, type Style } from './words.ts';

export interface InspectedSession {
  /** As it was named on the command line. */
  readonly file: string;
  readonly form: SessionForm;
  readonly bytes: number;
  /** The name in front of a session in Node's form. */
  readonly nodeHost: string | null;
  readonly session: SessionDescription;
  /** The last millisecond at which time does not stand in its way. */
  readonly untilMs: number;
  /** Null when there is none; `summary` null when it cannot be read. */
  readonly certificate: { readonly summary: CertificateSummary | null } | null;
}

export type Obstacle = NotResumableReason | 'peer-certificate-invalid';

/** Everything that stands in the way of resuming it now; empty when nothing does. */
export function obstacles({ session, certificate }: InspectedSession, nowMs: number): Obstacle[] {
  const found: Obstacle[] = [...session.notResumableReasons];
  const dates = certificate?.summary;
  if (dates && (nowMs > dates.notAfterMs || nowMs < dates.notBeforeMs))
    found.push('peer-certificate-invalid');
  return found;
}

export function obstacleText(obstacle: Obstacle): string {
  if (obstacle === 'peer-certificate-invalid') return "its peer's certificate is not valid now";
  return notResumableText(obstacle);
}

const FORM_NAMES: Readonly<Record<SessionForm, string>> = {
  DER: 'DER',
  PEM: 'PEM',
  node: 'the form of newer Node versions',
  envelope: "tlsession's envelope",
};

const LABEL_WIDTH = 16;
const PAGE_WIDTH = 80;

export function sessionPage(inspected: InspectedSession, nowMs: number, colors: boolean): string {
  const page = new Page(colors);
  const { session } = inspected;
  page.title(inspected);
  useRows(page, inspected, nowMs);
  page.gap();
  negotiatedRows(page, session, nowMs);
  page.gap();
  peerRows(page, inspected, nowMs);
  page.gap();
  contentRows(page, inspected, nowMs);
  return page.text;
}

/** Can it still be resumed, how long yet, how often, with early data? */
function useRows(page: Page, inspected: InspectedSession, nowMs: number): void {
  const { session, untilMs } = inspected;
  const against = obstacles(inspected, nowMs);
  if (against.length === 0) {
    const left = durationText(untilMs - nowMs);
    page.row('Resumable', `yes, for another ${left} (until ${dateText(untilMs)})`, 'green');
  } else {
    page.row('Resumable', `no: ${against.map((obstacle) => obstacleText(obstacle)).join('; ')}`, 'red');
    if (nowMs > untilMs)
      page.row('', `over since ${dateText(untilMs)}, ${durationText(nowMs - untilMs)} ago`);
  }
  if (session.singleUse) page.row('Use', 'once: a TLS 1.3 client offers a session in one connection only');
  else page.row('Use', 'any number of times while it lasts');
  const { maxEarlyData } = session;
  page.row('Early data', maxEarlyData === 0 ? 'none' : `up to ${bytesText(maxEarlyData)}`);
}

function negotiatedRows(page: Page, session: SessionDescription, nowMs: number): void {
  const age = nowMs - session.timeMs;
  const when = age < 0 ? `${durationText(-age)} from now: a clock is wrong` : `${durationText(age)} ago`;
  page.row('Made', `${dateText(session.timeMs)}, ${when}`, age < 0 ? 'yellow' : null);
  page.row('Cipher suite', session.cipher ?? 'none');
  if (session.group !== null) page.row('Key exchange', session.group);
  page.row('Host name', session.hostname === null ? 'none' : printable(session.hostname));
  page.row('ALPN', session.alpn === null ? 'none' : printable(session.alpn));
  if (session.protocolVersion <= ProtocolVersion.TLS1_2 && !session.extendedMasterSecret) {
    page.row('Master secret', 'not extended (RFC 7627): the session is not bound to its handshake', 'yellow');
  }
  if (session.maxFragmentLength !== 0) page.row('Max fragment', bytesText(256 << session.maxFragmentLength));
  if (session.compression !== 0) page.row('Compression', `method ${session.compression}`, 'yellow');
  for (const [label, name] of [
    ['PSK identity', session.pskIdentity],
    ['PSK hint', session.pskIdentityHint],
    ['SRP user', session.srpUsername],
  ] as const) {
    if (name !== null) page.row(label, printable(name));
  }
}

function peerRows(page: Page, { session, certificate }: InspectedSession, nowMs: number): void {
  const verified = session.verifyResult === 0;
  const verdict = verified
    ? 'verified'
    : `not verified: ${session.verifyResultText} (${session.verifyResult})`;
  if (certificate === null) {
    const rpk = session.peerRawPublicKeyLength;
    page.row('Peer', rpk === null ? 'sent no certificate' : `a raw public key, ${bytesText(rpk)}`);
    if (rpk !== null) page.row('', verdict, verified ? null : 'yellow');
    return;
  }
  const { summary } = certificate;
  if (summary === null) {
    page.row(
      'Peer',
      `a certificate that cannot be read, ${bytesText(session.peerCertificateLength ?? 0)}`,
      'yellow',
    );
  } else {
    page.row('Peer', summary.subject === '' ? 'a certificate without a subject' : summary.subject);
    if (summary.names.length > 0) page.row('', summary.names.map(printable).join(', '));
    page.row('', `issued by ${summary.issuer}`);
    validityRow(page, summary, nowMs);
  }
  page.row('', verdict, verified ? null : 'yellow');
  if (session.peerChainLength !== null && session.peerChainLength > 1) {
    page.row('', `with ${session.peerChainLength - 1} more of its chain`);
  }
}

function validityRow(page: Page, { notBeforeMs, notAfterMs }: CertificateSummary, nowMs: number): void {
  if (nowMs > notAfterMs) {
    page.row('', `expired ${dateText(notAfterMs)}, ${durationText(nowMs - notAfterMs)} ago`, 'red');
  } else if (nowMs < notBeforeMs) {
    page.row('', `not valid before ${dateText(notBeforeMs)}`, 'red');
  } else {
    page.row('', `valid until ${dateText(notAfterMs)} (${durationText(notAfterMs - nowMs)})`);
  }
}

function contentRows(page: Page, { session, form, nodeHost }: InspectedSession, nowMs: number): void {
  page.row('Session id', session.id === '' ? 'none' : session.id);
  if (session.idContext !== '') page.row('Id context', session.idContext);
  page.row('Secret', `${bytesText(session.masterKeyLength)}, not shown`);
  if (session.ticketLength === null) {
    page.row('Ticket', 'none');
  } else {
    const { ticketLifetimeHintSec: hint } = session;
    const lifetime = hint === 0 ? 'no lifetime given' : `given for ${durationText(hint * 1000)}`;
    page.row('Ticket', `${bytesText(session.ticketLength)}, ${lifetime}`);
  }
  if (session.ticketAppdataLength !== null)
    page.row('Ticket appdata', bytesText(session.ticketAppdataLength));
  const { bindings } = session;
  if (bindings === null) {
    // In Node's form a name is bound to the session, and nothing else is.
    const host = nodeHost === null ? 'nothing' : `${printable(nodeHost)} alone`;
    page.row('Bound to', `${host}: more ${FORM_NAMES[form]} cannot say; to resume, verify the peer again`);
    return;
  }
  const host = bindings.host === null ? 'no host' : printable(bindings.host);
  page.row('Bound to', bindings.port === 0 ? host : `${host}, port ${bindings.port}`);
  if (bindings.trust !== '') page.row('', `trust ${bindings.trust}`);
  page.row(
    '',
    bindings.clientAuth === '' ? 'no client certificate' : `client authentication ${bindings.clientAuth}`,
  );
  const proven = durationText(nowMs - bindings.authenticatedAtMs);
  page.row('', `peer authenticated ${dateText(bindings.authenticatedAtMs)}, ${proven} ago`);
}

function nameOf(summary: CertificateSummary | null | undefined): string | null {
  const dns = summary?.names.find((name) => name.startsWith('DNS:'));
  return dns?.slice(4) ?? summary?.subject ?? null;
}

class Page {
  text = '';
  readonly #paint: (style: Style, text: string) => string;

  constructor(colors: boolean) {
    this.#paint = painter(colors);
  }

  title({ session, nodeHost, file, form, bytes, certificate }: InspectedSession): void {
    const host = session.bindings?.host ?? session.hostname ?? nodeHost ?? nameOf(certificate?.summary);
    const title = `${session.protocol} session${host ? ` with ${printable(host)}` : ''}`;
    this.text += `${this.#paint('bold', title)}\n`;
    const where = file === '-' ? 'standard input' : printable(file);
    this.text += `${this.#paint('dim', `${where}: ${FORM_NAMES[form]}, ${numberText(bytes)} bytes`)}\n\n`;
  }

  gap(): void {
    this.text += '\n';
  }

  row(label: string, value: string, style: Style | null = null): void {
    const [first = '', ...others] = wrap(value, PAGE_WIDTH - LABEL_WIDTH);
    const paint = (line: string): string => (style === null ? line : this.#paint(style, line));
    this.text += `${this.#paint('dim', label.padEnd(LABEL_WIDTH))}${paint(first)}\n`;
    for (const line of others) this.text += `${' '.repeat(LABEL_WIDTH)}${paint(line)}\n`;
  }
}

/** Breaks at spaces, and inside of what is longer than a line. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  lines.push(line);
  return lines;
}

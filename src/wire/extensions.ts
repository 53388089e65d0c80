import { TlsAlertError } from '../util/errors.ts';
import { extensionName, isKnownExtension } from './numbers.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/**
 * The extensions of one message: type and body, in order of arrival. Repeated types are refused here and
 * nowhere else (RFC 8446, 4.2). Bodies are views.
 */
export class Extensions {
  readonly types: number[] = [];
  readonly bodies: Uint8Array[] = [];

  /** Reads a two-byte length and the extensions behind it. */
  static read(reader: Reader): Extensions {
    const list = new Extensions();
    const inner = reader.sub16();
    // Beside the list, for the hello of thousands that a hostile peer sends.
    const seen = new Set<number>();
    while (inner.remaining > 0) {
      const type = inner.u16();
      if (seen.has(type)) {
        // The RFC names no alert. OpenSSL's for one that it knows; BoringSSL's for the others, which OpenSSL
        // does not look at.
        const reason = isKnownExtension(type) ? 'duplicate-extension' : 'decode-error';
        throw TlsAlertError.local(reason, `${extensionName(type)} comes twice`);
      }
      seen.add(type);
      list.types.push(type);
      list.bodies.push(inner.vector16());
    }
    return list;
  }

  get(type: number): Uint8Array | undefined {
    const at = this.types.indexOf(type);
    return at < 0 ? undefined : this.bodies[at];
  }

  has(type: number): boolean {
    return this.types.includes(type);
  }

  get last(): number | undefined {
    return this.types[this.types.length - 1];
  }

  /**
   * For answers: refuses what was not sent (`unsupported_extension`) and what may not be in this message
   * (`illegal_parameter`). `allowed` are the types this message may carry.
   */
  checkAnswers(message: string, allowed: readonly number[], sent: readonly number[]): void {
    for (const type of this.types) {
      if (!sent.includes(type)) {
        throw TlsAlertError.local('unsolicited-extension', `${extensionName(type)} in ${message}`);
      }
      if (!allowed.includes(type)) {
        throw TlsAlertError.local('forbidden-extension', `${extensionName(type)} in ${message}`);
      }
    }
  }
}

/** Writes one extension whose body `write` writes. */
export function writeExtension(writer: Writer, type: number, write: (writer: Writer) => void): void {
  writer.u16(type);
  const mark = writer.open16();
  write(writer);
  writer.close16(mark);
}

export function writeEmptyExtension(writer: Writer, type: number): void {
  writer.u16(type);
  writer.u16(0);
}

/** An extension that says all by being there. */
export function expectEmpty(body: Uint8Array, type: number): void {
  if (body.length !== 0) {
    throw TlsAlertError.local('decode-error', `${extensionName(type)} is not empty`);
  }
}

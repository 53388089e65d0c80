/**
 * What reading and writing a session's DER have in common: the numbers of the elements, and the memory of
 * how a file was written. The schema is in `der.ts`.
 */
import type { SessionBody } from './body.ts';

export const STRUCTURE_VERSION = 1;
export const Tag = {
  keyArg: 0,
  time: 1,
  timeout: 2,
  peer: 3,
  sidCtx: 4,
  verifyResult: 5,
  hostname: 6,
  pskHint: 7,
  pskIdentity: 8,
  lifetimeHint: 9,
  ticket: 10,
  compression: 11,
  srpUsername: 12,
  flags: 13,
  ageAdd: 14,
  maxEarlyData: 15,
  alpn: 16,
  maxFragment: 17,
  ticketAppdata: 18,
  kexGroup: 19,
  peerRpk: 20,
} as const;

export const ALWAYS_WRITTEN: number = (1 << Tag.sidCtx) | (1 << Tag.kexGroup);

/** An INTEGER beyond what a number holds exactly, with the number that stands for it. */
export interface WideInteger {
  readonly tag: number;
  readonly value: number;
  readonly contents: Uint8Array;
}

/**
 * How a file differs from what i2d_SSL_SESSION would have written for the same values. Each entry counts
 * only as long as the value it speaks of is unchanged, so setters need not know about it.
 */
export class DerForm {
  /** Bit n: element [n] was in the file. */
  readonly elements: number;
  readonly keyArg: Uint8Array | null;
  readonly wide: readonly WideInteger[];
  /** What was taken for a time and a timeout that the file does not give. */
  readonly assumedTimeMs: number;
  readonly assumedTimeoutSec: number;

  constructor(
    elements: number,
    keyArg: Uint8Array | null,
    wide: readonly WideInteger[],
    assumedTimeMs: number,
    assumedTimeoutSec: number,
  ) {
    this.elements = elements;
    this.keyArg = keyArg;
    this.wide = wide;
    this.assumedTimeMs = assumedTimeMs;
    this.assumedTimeoutSec = assumedTimeoutSec;
  }

  had(tag: number): boolean {
    return (this.elements & (1 << tag)) !== 0;
  }
}

export function formOf(body: SessionBody): DerForm | null {
  return body.form instanceof DerForm ? body.form : null;
}

/** 2^32. */
export const TWO_32 = 0x1_0000_0000;

/** The low 32 bits, unsigned, of a big-endian number that ends at `end` and has at least four bytes. */
export function lowBits(bytes: Uint8Array, end: number): number {
  const tail = ((bytes[end - 3] as number) << 16) | ((bytes[end - 2] as number) << 8);
  return (((bytes[end - 4] as number) << 24) | tail | (bytes[end - 1] as number)) >>> 0;
}

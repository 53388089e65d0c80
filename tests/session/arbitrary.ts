/** Sessions for property tests: every field, with the lengths and numbers where forms change. */
import fc from 'fast-check';
import { type FieldValues, makeBody, PeerCertificate } from '../../src/session/body.ts';
import { SessionCore } from '../../src/session/core.ts';
import { fromHex } from '../../src/util/bytes.ts';
import { isKnownCipher } from '../../src/util/cipher-names.ts';

export interface SessionValues {
  readonly version: number;
  readonly cipher: number;
  readonly fields: FieldValues;
  readonly timeSec: number;
  readonly timeoutSec: number;
  readonly peer: Uint8Array | null;
  readonly verifyResult: number;
  readonly ticketLifetimeHint: number;
  readonly compression: number;
  readonly flags: number;
  readonly ticketAgeAdd: number;
  readonly maxEarlyData: number;
  readonly maxFragmentLength: number;
  readonly kexGroup: number;
}

/** A self-signed P-256 certificate for CN=peer.example, valid until 2046. */
export const CERTIFICATE: Uint8Array = fromHex(
  '3082019c30820142a0030201020214017f2d5d28934ade036b985c68a7f32b100c4110300a06082a8648ce3d04030230173115301306035504030c0c706565722e6578616d706c65301e170d3236313132333038353231375a170d3436313131383038353231375a30173115301306035504030c0c706565722e6578616d706c653059301306072a8648ce3d020106082a8648ce3d03010703420004887fab021790d90e1d11742f1de2c1f9aa68fc72bcf2e39d087ec6ca99aba9aebc8a40dfdb06c161097c83120ccc847b0a0f838e023fa7e4f3847c773787ec90a36c306a301d0603551d0e04160414c942ddf092765ca7060d4d5ff8eb172e70cd88bf301f0603551d23041830168014c942ddf092765ca7060d4d5ff8eb172e70cd88bf300f0603551d130101ff040530030101ff30170603551d110410300e820c706565722e6578616d706c65300a06082a8648ce3d0403020348003045022100c9655a2397e5d8d9d912e1c154833766daa64eb90145153f49bd1dd6269d9bac02206876e10440f30c91284732560a67c4f7996ba28031b6ac0472fe14336fbcd214',
);

const ciphers = Array.from({ length: 0x1_0000 }, (_, id) => id).filter(isKnownCipher);
const uint32 = fc.oneof(
  fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  fc.nat(0xffff_ffff),
);
const int32 = fc.oneof(
  fc.constantFrom(0, 1, -1, 127, 128, -128, -129, 0x7fff_ffff, -0x8000_0000),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
/** As many seconds as milliseconds can count exactly. */
const MAX_SEC = Math.floor(Number.MAX_SAFE_INTEGER / 1000);
const seconds = fc.oneof(
  fc.constantFrom(0, 1, 1_795_423_188, 0xffff_ffff, 0x1_0000_0000, MAX_SEC, -1, -128, -129, -MAX_SEC),
  fc.integer({ min: -MAX_SEC, max: MAX_SEC }),
);
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
/** Of all lengths around those where DER's length grows. */
const long = fc.oneof(
  bytes(70),
  fc
    .tuple(
      fc.constantFrom(
        120,
        121,
        122,
        123,
        124,
        125,
        126,
        127,
        128,
        129,
        250,
        251,
        252,
        253,
        254,
        255,
        256,
        257,
        300,
        1000,
      ),
      fc.nat(255),
    )
    .map(([length, fill]) => new Uint8Array(length).map((_, i) => i * 7 + fill)),
);
/** C strings: without a zero byte. */
const text = fc.oneof(bytes(40), long).map((value) => value.map((byte) => byte || 0x2a));
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 2 });

export const sessionValues: fc.Arbitrary<SessionValues> = fc.record({
  version: fc.constantFrom(0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x0304, 0xfeff, 0xfefd, 0x0100),
  cipher: fc.constantFrom(...ciphers),
  fields: fc.tuple(
    fc.oneof(
      bytes(64),
      long.map((key) => key.subarray(0, 512)),
    ),
    bytes(32),
    optional(bytes(32)),
    optional(text),
    optional(bytes(255)),
    optional(long),
    optional(long),
    optional(text),
    optional(text),
    optional(text),
  ),
  timeSec: seconds,
  timeoutSec: seconds.map(Math.abs),
  peer: optional(fc.constant(CERTIFICATE)),
  verifyResult: fc.oneof(int32, fc.nat(100)),
  ticketLifetimeHint: fc.oneof(uint32, fc.constantFrom(0x1_0000_0000, Number.MAX_SAFE_INTEGER)),
  compression: fc.constantFrom(0, 0, 0, 1, 2, 64, 255),
  flags: fc.constantFrom(0, 1, 2, 3, 0x7fff_ffff),
  ticketAgeAdd: uint32,
  maxEarlyData: uint32,
  maxFragmentLength: fc.constantFrom(0, 1, 2, 3, 4, 255),
  kexGroup: fc.constantFrom(0, 0x17, 0x1d, 0x11ec, 0x7fff_ffff),
});

/** A session with these values; it has one reference, which is the caller's to give back. */
export function makeSession(values: SessionValues): SessionCore {
  const { fields, timeSec, timeoutSec, peer, ...scalars } = values;
  const body = makeBody(fields, scalars);
  body.peer = peer === null ? null : new PeerCertificate(peer);
  return SessionCore.fromBody(body, timeSec * 1000, timeoutSec, 'test');
}

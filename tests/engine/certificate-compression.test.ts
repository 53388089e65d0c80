/** Compressed certificates (RFC 8879) in both directions, and what a peer can do wrong with them. */
import { describe, expect, test } from 'vitest';
import type { CertificateCompressor } from '../../src/crypto/certificate-compressor.ts';
import { certificateCompressors } from '../../src/crypto/node/index.ts';
import { Alert } from '../../src/util/registries.ts';
import { ContentType, HandshakeType } from '../../src/wire/numbers.ts';
import { Dissector } from '../order/tap.ts';
import { engineCredential, Pair, type PairOptions, text, USUAL } from '../support/engine-pair.ts';
import { openProvider } from '../support/open-provider.ts';
import { fault } from '../support/tls12.ts';

const credential = await engineCredential();
const compressor = (name: 'zlib' | 'brotli') => certificateCompressors.get(name) as CertificateCompressor;
const zlib = compressor('zlib');
const mutual: PairOptions = {
  server: { clientCertificate: 'require', sessionIdContext: text('x') },
  clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
};

/** Which messages each end sent, where nothing is protected. */
function messages(client: readonly CertificateCompressor[], server: readonly CertificateCompressor[]) {
  const common = { minVersion: 0x0304, cipherSuites: [0x1301] };
  using pair = new Pair(credential, {
    ...mutual,
    client: { ...common, provider: openProvider(), groups: [0x1d, 0x17], certificateCompressors: client },
    server: {
      ...common,
      ...mutual.server,
      provider: openProvider(),
      groups: [0x1d],
      certificateCompressors: server,
    },
  }).run();
  expect(pair.client.error ?? pair.server.error).toBeNull();
  const seen = (flights: Uint8Array[]) => {
    const dissector = new Dissector(0x0304);
    return flights
      .flatMap((flight) => dissector.push(flight))
      .filter(({ type }) => type === ContentType.handshake);
  };
  const kind = (flights: Uint8Array[]) => {
    const found = seen(flights).find(({ content }) => content[0] === 11 || content[0] === 25);
    return found?.content[0] === 25
      ? ((found.content[4] as number) << 8) | (found.content[5] as number)
      : null;
  };
  return { client: kind(pair.toServer), server: kind(pair.toClient) };
}

describe('which is chosen', () => {
  const brotli = compressor('brotli');

  test('the sender’s first that the receiver takes, in both directions', () => {
    expect(messages([zlib, brotli], [brotli, zlib])).toEqual({ client: 1, server: 2 });
    expect(messages([brotli], [zlib, brotli])).toEqual({ client: 2, server: 2 });
  });

  test('none where there is none in common, or where nothing is saved', () => {
    expect(messages([zlib], [brotli])).toEqual({ client: null, server: null });
    expect(messages([zlib], [])).toEqual({ client: null, server: null });
    const never = { ...zlib, compress: () => null };
    expect(messages([never], [never])).toEqual({ client: null, server: null });
    expect(messages([{ ...zlib, decompress: null }], [zlib])).toEqual({ client: 1, server: null });
  });
});

describe.each(['client', 'server'] as const)('what the %s does not take', (receiver) => {
  const run = (sent: Partial<CertificateCompressor>, expanding: Partial<CertificateCompressor> = {}) => {
    const wrong = [{ ...zlib, ...sent }];
    const right = [{ ...zlib, ...expanding }];
    using pair = new Pair(credential, {
      ...mutual,
      client: { minVersion: 0x0304, certificateCompressors: receiver === 'client' ? right : wrong },
      server: { ...mutual.server, certificateCompressors: receiver === 'server' ? right : wrong },
    }).run();
    return fault(pair[receiver].error);
  };
  const compress = zlib.compress as (bytes: Uint8Array) => Uint8Array;

  test('what does not expand, and what is not as long as it said', () => {
    const bad = { alert: Alert.bad_certificate, reason: 'certificate-decompression' };
    expect(run({})).toBeNull();
    expect(run({ compress: () => new Uint8Array([1, 2, 3]) })).toMatchObject(bad);
    expect(run({ compress: (bytes) => compress(bytes.subarray(0, bytes.length - 1)) })).toMatchObject(bad);
    expect(run({ compress: (bytes) => compress(new Uint8Array([...bytes, 0])) })).toMatchObject(bad);
    // A compressor of the application's that gives too much.
    expect(run({}, { decompress: () => new Uint8Array(10) })).toMatchObject(bad);
  });

  test('what is no Certificate when it is expanded', () => {
    const noise = { compress: (bytes: Uint8Array) => compress(new Uint8Array(bytes.length).fill(0xff)) };
    expect(run(noise)).toMatchObject({ alert: Alert.decode_error });
  });
});

test('one that is not asked for is unexpected', () => {
  for (const receiver of ['client', 'server'] as const) {
    const common = { minVersion: 0x0304, cipherSuites: [0x1301] };
    using pair = new Pair(credential, {
      ...mutual,
      client: { ...common, provider: openProvider(), groups: [0x1d, 0x17] },
      server: { ...common, ...mutual.server, provider: openProvider(), groups: [0x1d] },
      between: {
        [receiver === 'client' ? 'toClient' : 'toServer']: (bytes: Uint8Array) => {
          const copy = bytes.slice();
          // Nothing is protected: a Certificate can be renamed where it stands, behind its record header.
          for (let i = 0; i + 9 < copy.length; i++) {
            const isCertificate =
              copy[i] === 11 && copy[i + 1] === 0 && copy[i + 4] === 0 && copy[i + 5] === 0;
            if (isCertificate) copy[i] = HandshakeType.compressed_certificate;
          }
          return copy;
        },
      },
    }).run();
    expect(fault(pair[receiver].error)).toMatchObject({ alert: Alert.unexpected_message });
  }
});

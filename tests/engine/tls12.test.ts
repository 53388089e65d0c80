/** TLS 1.2 between two engines: what a handshake can be made of, and what it leaves behind. */
import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { Credential } from '../../src/handshake/config.ts';
import { Field } from '../../src/session/body.ts';
import { toHex } from '../../src/util/bytes.ts';
import { UsageError } from '../../src/util/errors.ts';
import { DEFAULT_LIMITS } from '../../src/util/limits.ts';
import { Alert, NamedGroup, ProtocolVersion } from '../../src/util/registries.ts';
import { ExtensionType, HandshakeType } from '../../src/wire/numbers.ts';
import { frame } from '../order/tap.ts';
import { issue, type KeyKind, keyFor } from '../pki/make.ts';
import {
  type Answerer,
  engineCredential,
  Memory,
  OPEN,
  Pair,
  type PairOptions,
  text,
  USUAL,
} from '../support/engine-pair.ts';
import { openProvider } from '../support/open-provider.ts';
import { fault, only12 } from '../support/tls12.ts';
import { helloExtensions, readMessages, readRecords } from '../support/wire.ts';

const credential = await engineCredential();
const rsa = await engineCredential('rsa2048');

const SUITES = [0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8];
const ECDSA_SUITES = [0xc02b, 0xc02c, 0xcca9];
const CURVES = [NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1, NamedGroup.secp521r1];

/** A credential of any kind of key, signed by itself: the job that would judge it says yes. */
function selfSigned(kind: KeyKind): Credential {
  const key = keyFor('tls12', kind);
  const { der } = issue({ key, notBefore: Date.UTC(2020), notAfter: Date.UTC(2049, 0) });
  const own = nodeProvider.importPrivateKey(
    key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
  return { chain: [new Uint8Array(der)], keyType: own.type, keyBits: own.bits, key: own };
}

function echo(pair: Pair): void {
  pair.client.connection.write(text('to the server'));
  pair.server.connection.write(text('to the client'));
  pair.run();
  expect(pair.server.received).toBe('to the server');
  expect(pair.client.received).toBe('to the client');
}

/** The handshake messages of one direction that went in the clear, by type. */
function clearMessages(flights: readonly Uint8Array[]): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const flight of flights) {
    for (const { type, payload } of readRecords(flight)) {
      if (type === 20) return found;
      if (type === 22) found.push(...readMessages(payload));
    }
  }
  return found;
}

describe('full handshakes', () => {
  for (const suite of SUITES) {
    for (const group of CURVES) {
      test(`suite 0x${suite.toString(16)}, group 0x${group.toString(16)}`, () => {
        const own = ECDSA_SUITES.includes(suite) ? credential : rsa;
        using pair = new Pair(own, {
          client: { ...only12, cipherSuites: [suite] },
          server: { groups: [group] },
        }).run();
        expect(pair.client.error ?? pair.server.error).toBeNull();
        for (const end of [pair.client, pair.server]) {
          expect(end.has('handshake')).toBe(true);
          expect(end.connection.info).toMatchObject({
            version: 0x0303,
            cipherSuite: suite,
            group,
            resumed: false,
            extendedMasterSecret: true,
            renegotiationInfo: true,
          });
        }
        const { info } = pair.client.connection;
        expect(info.finished).toEqual(pair.server.connection.info.peerFinished);
        expect(info.peerFinished).toEqual(pair.server.connection.info.finished);
        echo(pair);
      });
    }
  }

  const keys: [KeyKind, number[]][] = [
    ['p256', [0x0403, 0x0503, 0x0603]],
    ['p384', [0x0503, 0x0403, 0x0603]],
    ['p521', [0x0603, 0x0503, 0x0403]],
    ['rsa2048', [0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601]],
    ['rsa-pss', [0x0809, 0x080a, 0x080b]],
    ['ed25519', [0x0807]],
    ['ed448', [0x0808]],
  ];
  for (const [kind, schemes] of keys) {
    const own = selfSigned(kind);
    for (const scheme of schemes) {
      test(`a ${kind} key at both ends signs with 0x${scheme.toString(16)}`, () => {
        const server = { clientCertificate: 'require', sessionIdContext: text('test') } as const;
        using pair = new Pair(own, {
          client: { ...only12, signatureSchemes: [scheme] },
          server: { ...server, signatureSchemes: [scheme] },
          clientAnswer: (job) => (job.kind === 'client-certificate' ? own : USUAL),
        }).run();
        expect(pair.client.error ?? pair.server.error).toBeNull();
        for (const end of [pair.client, pair.server]) {
          expect(end.connection.info).toMatchObject({
            signatureScheme: scheme,
            peerSignatureScheme: scheme,
            peerChain: own.chain,
          });
        }
        expect(pair.client.connection.info.certificateRequested).toBe(true);
      });
    }
  }

  test('the server chooses a certificate that the suites and the client’s schemes allow', () => {
    const both = { credentials: [credential, rsa] };
    using second = new Pair(credential, {
      client: { ...only12, cipherSuites: [0xc02f, 0xc02b], signatureSchemes: [0x0403] },
      server: both,
    }).run();
    expect(second.client.connection.info).toMatchObject({ cipherSuite: 0xc02b, peerChain: credential.chain });
    using first = new Pair(credential, {
      client: { ...only12, cipherSuites: [0xc02f, 0xc02b] },
      server: both,
    }).run();
    expect(first.client.connection.info).toMatchObject({ cipherSuite: 0xc02f, peerChain: rsa.chain });
    using preferred = new Pair(credential, {
      client: { ...only12, cipherSuites: [0xc02f, 0xc02b] },
      server: { ...both, cipherSuites: [0xc02b, 0xc02f], preferServerCiphers: true },
    }).run();
    expect(preferred.client.connection.info.cipherSuite).toBe(0xc02b);
  });

  test('nothing in common: one exact alert each', () => {
    const cases: [PairOptions, string][] = [
      [{ client: { cipherSuites: [0xc02b] }, server: { cipherSuites: [0xcca9] } }, 'no-common-cipher'],
      [{ client: { cipherSuites: [0xc02f] } }, 'no-common-signature-scheme'],
      [{ client: { signatureSchemes: [0x0807] } }, 'no-common-signature-scheme'],
      // The certificate's own curve has to be among the groups, too.
      [{ client: { groups: [NamedGroup.x25519] } }, 'no-common-signature-scheme'],
      [{ server: { groups: [NamedGroup.x25519mlkem768] } }, 'no-common-group'],
    ];
    for (const [options, reason] of cases) {
      using pair = new Pair(credential, { ...options, client: { ...only12, ...options.client } }).run();
      expect(fault(pair.server.error)).toMatchObject({ reason, alert: Alert.handshake_failure });
      expect(fault(pair.client.error)).toMatchObject({ alert: Alert.handshake_failure, origin: 'peer' });
    }
  });

  test('flights leave in one write: two of the client’s, two of the server’s', () => {
    using pair = new Pair(credential, { client: only12 }).run();
    expect([pair.toServer.length, pair.toClient.length]).toEqual([2, 2]);
    // And in as few records as the keys allow.
    expect(pair.toServer.map((flight) => readRecords(flight).length)).toEqual([1, 3]);
    expect(pair.toClient.map((flight) => readRecords(flight).length)).toEqual([1, 3]);
  });

  test('a hello for both versions is answered with TLS 1.2 by who knows no other', () => {
    using pair = new Pair(credential, { server: { maxVersion: ProtocolVersion.TLS1_2 } }).run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect(pair.client.connection.info.version).toBe(0x0303);
    echo(pair);
  });
});

describe('what comes along', () => {
  test('a stapled answer and the certificate’s timestamps', () => {
    const ocspResponse = text('an answer');
    const sctList = new Uint8Array([0, 4, 0, 2, 7, 7]);
    const seen: unknown[] = [];
    const options = (client: PairOptions['client'], staple: Partial<Credential>): PairOptions => ({
      client: { ...only12, ...client },
      server: { credentials: [{ ...credential, ...staple }] },
      clientAnswer: (job) => {
        if (job.kind === 'verify-certificate') seen.push([job.ocspResponse, job.sctList]);
        return USUAL;
      },
    });
    const wants = { requestOcsp: true, requestSct: true };
    using both = new Pair(credential, options(wants, { ocspResponse, sctList })).run();
    using asked = new Pair(credential, options(wants, {})).run();
    using unasked = new Pair(credential, options({}, { ocspResponse, sctList })).run();
    expect(both.client.connection.info).toMatchObject({ ocspResponse, sctList });
    for (const pair of [asked, unasked]) {
      expect(pair.client.error).toBeNull();
      expect(pair.client.connection.info).toMatchObject({ ocspResponse: null, sctList: null });
    }
    expect(seen).toEqual([
      [ocspResponse, sctList],
      [null, null],
      [null, null],
    ]);
  });

  test('ALPN', () => {
    using pair = new Pair(credential, {
      client: { ...only12, alpn: [text('h2'), text('http/1.1')] },
      server: { alpn: [text('http/1.1')] },
    }).run();
    for (const end of [pair.client, pair.server]) expect(end.connection.info.alpn).toEqual(text('http/1.1'));
    using none = new Pair(credential, {
      client: { ...only12, alpn: [text('h3')] },
      server: { alpn: [text('h2')] },
    }).run();
    expect(fault(none.server.error)).toMatchObject({ alert: Alert.no_application_protocol });
  });

  test('a record size limit counts the plaintext alone, and holds from the first protected record', () => {
    using pair = new Pair(credential, {
      client: { ...only12, recordSizeLimit: 100 },
      server: { recordSizeLimit: 200 },
    }).run();
    pair.server.connection.write(new Uint8Array(250).fill(0x61));
    pair.client.connection.write(new Uint8Array(450).fill(0x62));
    pair.run();
    expect([pair.client.received.length, pair.server.received.length]).toEqual([250, 450]);
    // 8 bytes of nonce and 16 of tag around each.
    const sizes = (flight: Uint8Array | undefined): number[] =>
      readRecords(flight ?? new Uint8Array(0)).map(({ payload }) => payload.length - 24);
    expect(sizes(pair.toClient.at(-1))).toEqual([100, 100, 50]);
    expect(sizes(pair.toServer.at(-1))).toEqual([200, 200, 50]);
  });

  test('a client for both versions takes one byte more in TLS 1.2 than its limit for TLS 1.3 says', () => {
    using pair = new Pair(credential, {
      client: { recordSizeLimit: 100 },
      server: { maxVersion: ProtocolVersion.TLS1_2, recordSizeLimit: 16_384 },
    }).run();
    pair.server.connection.write(new Uint8Array(101));
    pair.run();
    expect(pair.client.error).toBeNull();
    expect(pair.client.received).toHaveLength(101);
    const last = readRecords(pair.toClient.at(-1) ?? new Uint8Array(0));
    expect(last.map(({ payload }) => payload.length - 24)).toEqual([101]);
  });

  test('a record over the limit is record_overflow', () => {
    for (const [length, alert] of [
      [100, undefined],
      [101, Alert.record_overflow],
    ]) {
      const common = { ...only12, cipherSuites: [0xcca9] };
      using pair = new Pair(credential, {
        client: { ...common, provider: openProvider(), groups: [0x1d, 0x17], recordSizeLimit: 100 },
        server: { ...common, provider: openProvider(), groups: [0x1d], recordSizeLimit: 100 },
      }).run();
      expect(pair.client.error).toBeNull();
      pair.client.connection.receive(frame(0x0303, 23, new Uint8Array(length as number), true));
      expect(fault(pair.client.error)?.alert).toBe(alert);
    }
  });

  test('the server’s random ends in the sentinel where it could do better, and only there', () => {
    const tail = (pair: Pair): string => {
      const hello = clearMessages(pair.toClient).find((m) => m[0] === HandshakeType.server_hello);
      return toHex((hello as Uint8Array).subarray(30, 38));
    };
    using could = new Pair(credential, { client: only12 }).run();
    expect(tail(could)).toBe('444f574e47524401');
    using not = new Pair(credential, { client: only12, server: only12 }).run();
    expect(tail(not)).not.toBe('444f574e47524401');
  });

  test('TLS_FALLBACK_SCSV is refused where it was not necessary', () => {
    using pair = new Pair(credential, { client: { ...only12, fallbackScsv: true } }).run();
    expect(fault(pair.server.error)).toMatchObject({ alert: Alert.inappropriate_fallback });
    using fine = new Pair(credential, { client: { ...only12, fallbackScsv: true }, server: only12 }).run();
    expect(fine.server.error).toBeNull();
  });

  test('exporters agree, differ without a context, and are refused without the extended master secret', () => {
    using pair = new Pair(credential, { client: only12 }).run();
    const at = (end: 'client' | 'server', context: Uint8Array | null): Uint8Array =>
      pair[end].connection.exportKeyingMaterial('EXPORTER-test', context, 40);
    for (const context of [null, new Uint8Array(0), text('context')]) {
      expect(at('client', context)).toEqual(at('server', context));
    }
    expect(at('client', null)).not.toEqual(at('client', new Uint8Array(0)));
    using plain = new Pair(credential, { client: { ...only12, extendedMasterSecret: false } }).run();
    expect(plain.client.error).toBeNull();
    for (const end of [plain.client, plain.server]) {
      expect(() => end.connection.exportKeyingMaterial('EXPORTER-test', null, 40)).toThrow(UsageError);
    }
  });

  test('the key log has one line, the same at both ends, with the session’s master secret', () => {
    using pair = new Pair(credential, {
      client: { ...only12, keyLog: true },
      server: { keyLog: true },
    }).run();
    const lines = [pair.client, pair.server].map((end) =>
      end.events.flatMap((event) => (event.type === 'keylog' ? [event.line] : [])),
    );
    expect(lines[0]).toHaveLength(1);
    expect(lines[1]).toEqual(lines[0]);
    const session = pair.client.sessions[0];
    const secret = toHex(session?.field(Field.masterKey, 'test') ?? new Uint8Array(0));
    expect(lines[0]?.[0]).toMatch(new RegExp(`^CLIENT_RANDOM [0-9a-f]{64} ${secret}$`));
  });

  test('the server answers what the client asks, and nothing else', () => {
    const answers = (options: PairOptions): number[] => {
      using pair = new Pair(credential, options).run();
      expect(pair.client.error ?? pair.server.error).toBeNull();
      const hello = clearMessages(pair.toClient)[0] as Uint8Array;
      return helloExtensions(hello.slice(4), 'server').extensions.map(({ type }) => type);
    };
    const server = {
      recordSizeLimit: 1000,
      alpn: [text('h2')],
      credentials: [{ ...credential, ocspResponse: text('yes'), sctList: new Uint8Array([0, 3, 0, 1, 7]) }],
    };
    const nothing = { tickets: false, extendedMasterSecret: false, serverName: null };
    expect(answers({ client: { ...only12, ...nothing }, server })).toEqual([
      ExtensionType.renegotiation_info,
      ExtensionType.ec_point_formats,
    ]);
    const all = { recordSizeLimit: 1000, alpn: [text('h2')], requestOcsp: true, requestSct: true };
    expect(answers({ client: { ...only12, ...all }, server })).toEqual([
      ExtensionType.renegotiation_info,
      ExtensionType.server_name,
      ExtensionType.ec_point_formats,
      ExtensionType.session_ticket,
      ExtensionType.status_request,
      ExtensionType.signed_certificate_timestamp,
      ExtensionType.application_layer_protocol_negotiation,
      ExtensionType.extended_master_secret,
      ExtensionType.record_size_limit,
    ]);
  });
});

describe('client certificates', () => {
  const server = { clientCertificate: 'request', sessionIdContext: text('test') } as const;

  test('none is sent: let through where it is asked for, handshake_failure where it is required', () => {
    using asked = new Pair(credential, { client: only12, server }).run();
    expect(asked.client.error ?? asked.server.error).toBeNull();
    expect(asked.server.connection.info.peerChain).toEqual([]);
    expect(asked.client.connection.info).toMatchObject({ certificateRequested: true, signatureScheme: 0 });
    using required = new Pair(credential, {
      client: only12,
      server: { ...server, clientCertificate: 'require' },
    }).run();
    expect(fault(required.server.error)).toMatchObject({
      reason: 'no-client-certificate',
      alert: Alert.handshake_failure,
    });
  });

  test('the request names types, schemes and authorities', () => {
    const jobs: unknown[] = [];
    using pair = new Pair(credential, {
      client: only12,
      server: {
        ...server,
        clientCertificateAuthorities: [text('a name')],
        signatureSchemes: [0x0403, 0x0804],
      },
      clientAnswer: (job) => {
        if (job.kind === 'client-certificate') jobs.push(job);
        return USUAL;
      },
    }).run();
    expect(pair.client.error).toBeNull();
    expect(jobs).toEqual([
      {
        kind: 'client-certificate',
        certificateTypes: new Uint8Array([64, 1]),
        signatureSchemes: [0x0403, 0x0804],
        authorities: [text('a name')],
      },
    ]);
  });

  test('a key that the server takes no signature of is handshake_failure before anything is sent', () => {
    using pair = new Pair(credential, {
      client: only12,
      server: { ...server, signatureSchemes: [0x0804] },
      clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
    }).run();
    expect(fault(pair.client.error)).toMatchObject({ reason: 'no-common-signature-scheme' });
  });

  test('one that is refused ends with the reason’s alert', () => {
    using pair = new Pair(credential, {
      client: only12,
      server,
      clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
      serverAnswer: (job) =>
        job.kind === 'verify-certificate' ? { ok: false, reason: 'unknown-ca', verifyResult: 20 } : USUAL,
    }).run();
    expect(fault(pair.server.error)).toMatchObject({ alert: Alert.unknown_ca });
    expect(pair.server.connection.info.verifyResult).toBe(20);
  });

  test('a fault that is let through is remembered in the session', () => {
    using pair = new Pair(credential, {
      client: only12,
      server: { ...server, tickets: false, sessionIds: true },
      clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
      serverAnswer: (job) => (job.kind === 'verify-certificate' ? { ok: true, verifyResult: 19 } : USUAL),
    }).run();
    const body = pair.server.sessions[0]?.body('test');
    expect(body?.verifyResult).toBe(19);
    expect(body?.chain?.map((kept) => kept.der)).toEqual(credential.chain);
  });
});

describe('after the handshake', () => {
  test('close_notify is one way; the other still writes', () => {
    using pair = new Pair(credential, { client: only12 }).run();
    pair.client.connection.close();
    pair.run();
    expect(pair.server.has('close-notify')).toBe(true);
    pair.server.connection.write(text('still here'));
    pair.run();
    expect(pair.client.received).toBe('still here');
    pair.server.connection.close();
    pair.run();
    expect(pair.client.has('close-notify')).toBe(true);
    expect(pair.client.error ?? pair.server.error).toBeNull();
  });

  for (const suite of SUITES.slice(0, 3)) {
    test(`a changed byte is bad_record_mac (0x${suite.toString(16)})`, () => {
      using pair = new Pair(credential, { client: { ...only12, cipherSuites: [suite] } }).run();
      pair.client.connection.write(text('secret'));
      const record = pair.client.connection.takeOutput() as Uint8Array;
      record[record.length - 1] = (record[record.length - 1] as number) ^ 1;
      pair.server.connection.receive(record);
      expect(fault(pair.server.error)).toMatchObject({ alert: Alert.bad_record_mac });
    });
  }

  test('records that are swapped or repeated are bad_record_mac', () => {
    for (const order of [[1], [0, 0]]) {
      using pair = new Pair(credential, { client: only12 }).run();
      const records = ['first', 'second'].map((word) => {
        pair.client.connection.write(text(word));
        return pair.client.connection.takeOutput() as Uint8Array;
      });
      for (const index of order) pair.server.connection.receive(records[index]?.slice() as Uint8Array);
      expect(fault(pair.server.error)).toMatchObject({ alert: Alert.bad_record_mac });
    }
  });

  test('an AES key ends at its limit: there is no other in TLS 1.2', () => {
    const limits = { ...DEFAULT_LIMITS, recordsPerAesKey: 3 };
    using pair = new Pair(credential, { client: { ...only12, limits, cipherSuites: [0xc02b] } }).run();
    for (let i = 0; i < 5; i++) {
      if (pair.client.error === null) pair.client.connection.write(text(String(i)));
      pair.run();
    }
    // Finished was the first record.
    expect(pair.server.received).toBe('01');
    expect(fault(pair.client.error)).toMatchObject({ reason: 'record-limit' });
    expect(fault(pair.server.error)).toMatchObject({ alert: Alert.internal_error, origin: 'peer' });
  });

  test('what only TLS 1.3 has says so', () => {
    using pair = new Pair(credential, { client: only12 }).run();
    expect(() => pair.client.connection.updateKeys(false)).toThrow(UsageError);
    expect(pair.server.connection.issueTicket()).toBe(false);
  });

  test('data that was written before the handshake was over goes out behind it', () => {
    using pair = new Pair(credential, { client: only12 });
    pair.client.connection.write(text('early '));
    pair.server.connection.write(text('bird'));
    pair.run();
    expect([pair.server.received, pair.client.received]).toEqual(['early ', 'bird']);
  });
});

describe('jobs', () => {
  const kinds = [
    'verify-certificate',
    'sign',
    'seal-ticket',
    'store-session',
    'select',
    'client-certificate',
  ] as const;

  for (const kind of kinds) {
    const open: Answerer = (job) => {
      if (job.kind === kind) return OPEN;
      return job.kind === 'client-certificate' ? credential : USUAL;
    };
    const options: PairOptions = {
      client: only12,
      server: {
        selectByJob: true,
        clientCertificate: 'request',
        sessionIdContext: text('test'),
        sessionIds: true,
        tickets: kind !== 'store-session',
      },
      clientAnswer: open,
      serverAnswer: open,
    };

    test(`${kind}: late, then a second time`, () => {
      using memory = new Memory();
      using pair = new Pair(credential, options, memory).run();
      expect(pair.client.has('handshake') && pair.server.has('handshake')).toBe(false);
      let answered = 0;
      for (let i = 0; i < 6; i++) {
        for (const end of [pair.client, pair.server]) {
          for (const { id, job } of end.openJobs.splice(0)) {
            const answer = memory.answer(job, id, end);
            if (answer === OPEN || answer === USUAL) throw new Error('no answer');
            expect(end.connection.finishJob(id, answer)).toBe(true);
            expect(end.connection.finishJob(id, answer), 'a second answer').toBe(false);
            expect(end.connection.failJob(id, new Error('late')), 'a failure after it').toBe(false);
            answered++;
          }
        }
        pair.run();
      }
      expect(answered).toBeGreaterThan(0);
      expect(pair.client.error ?? pair.server.error).toBeNull();
      expect(pair.client.has('handshake') && pair.server.has('handshake')).toBe(true);
      echo(pair);
    });

    test(`${kind}: a failure`, () => {
      using memory = new Memory();
      using pair = new Pair(credential, options, memory).run();
      for (let i = 0; i < 6; i++) {
        for (const end of [pair.client, pair.server]) {
          for (const { id } of end.openJobs.splice(0))
            end.connection.failJob(id, new Error('the HSM is out'));
        }
        pair.run();
      }
      const error = pair.client.error ?? pair.server.error;
      if (kind === 'seal-ticket' || kind === 'store-session') {
        // It costs a resumption and not a connection.
        expect(error).toBeNull();
        expect(pair.client.has('handshake')).toBe(true);
        expect(pair.server.has('session')).toBe(false);
      } else {
        const local = [pair.client.error, pair.server.error]
          .map(fault)
          .find((one) => one?.origin === 'local');
        expect(local).toMatchObject({ alert: Alert.internal_error });
      }
    });

    test(`${kind}: an answer after destroy`, () => {
      using memory = new Memory();
      using pair = new Pair(credential, options, memory).run();
      const jobs = [...pair.client.openJobs, ...pair.server.openJobs];
      expect(jobs.length).toBeGreaterThan(0);
      pair.client.destroy();
      pair.server.destroy();
      for (const { id } of jobs) {
        expect(pair.client.connection.finishJob(id, null)).toBe(false);
        expect(pair.server.connection.failJob(id, new Error('late'))).toBe(false);
      }
    });
  }

  test('a signature comes from wherever the application has its keys', () => {
    const { key, ...elsewhere } = credential;
    using pair = new Pair(elsewhere, {
      client: only12,
      serverAnswer: (job) => {
        if (job.kind !== 'sign') return USUAL;
        expect(job.credential).toBe(elsewhere);
        // The two randoms and the parameters of the key exchange (RFC 8422, 5.4).
        expect(job.content.length).toBe(64 + 4 + 32);
        return (key as NonNullable<typeof key>).sign(job.scheme, job.content);
      },
    }).run();
    expect(pair.client.error).toBeNull();
  });
});

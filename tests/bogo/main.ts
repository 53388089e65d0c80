/**
 * The shim's process: `--pool <socket>` serves one test after another for `forward.c`; without it the
 * arguments are one test's, and the process ends with its status.
 */
import { appendFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { UsageError } from '../../src/util/errors.ts';
import { parseFlags, Unimplemented } from './flags.ts';
import { runShim, type ShimIo, Status } from './shim.ts';

const STATUS_UNIMPLEMENTED = 89;
/** BoringSSL's shim ends its own words with this line; what comes after is taken for a tool's complaint. */
const DONE = '--- DONE ---\n';

async function runOnce(argv: readonly string[], io: ShimIo): Promise<number> {
  try {
    const configs = parseFlags(argv);
    if (configs.initial['is-handshaker-supported']) {
      io.stdout('No\n');
      return 0;
    }
    return await runShim(configs, io);
  } catch (error) {
    if (error instanceof Unimplemented) {
      const log = process.env['BOGO_UNIMPLEMENTED'];
      if (log !== undefined) appendFileSync(log, `${error.flag}\t${error.reason}\n`);
      return STATUS_UNIMPLEMENTED;
    }
    io.stderr(`${error instanceof Error ? error.stack : String(error)}\n`);
    // A setting that the library refuses is a failure as good as another; the rest is a fault of the shim.
    return error instanceof UsageError ? Status.failure : Status.broken;
  } finally {
    io.stderr(DONE);
  }
}

function frame(type: 'o' | 'e' | 'x', data: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeUInt32LE(data.length, 1);
  return Buffer.concat([head, data]);
}

/** The arguments once all have arrived, or null. */
function readArguments(input: Buffer): string[] | null {
  let at = 4;
  if (input.length < at) return null;
  const argv: string[] = [];
  for (let left = input.readUInt32LE(0); left > 0; left--) {
    if (input.length < at + 4) return null;
    const length = input.readUInt32LE(at);
    at += 4;
    if (input.length < at + length) return null;
    argv.push(input.toString('latin1', at, at + length));
    at += length;
  }
  return argv;
}

function serve(connection: Socket, setFailure: (fail: ((error: unknown) => void) | null) => void): void {
  let input = Buffer.alloc(0);
  let started = false;
  const gone = new AbortController();
  connection.on('error', () => gone.abort());
  connection.on('close', () => gone.abort());
  connection.on('data', (chunk) => {
    if (started) return;
    input = Buffer.concat([input, chunk]);
    const argv = readArguments(input);
    if (argv === null) return;
    started = true;
    const io: ShimIo = {
      stdout: (text) => connection.write(frame('o', Buffer.from(text, 'latin1'))),
      stderr: (text) => connection.write(frame('e', Buffer.from(text, 'utf8'))),
      gone: gone.signal,
    };
    const end = (status: number): void => {
      setFailure(null);
      connection.end(frame('x', Buffer.from([status])));
    };
    setFailure((error) => {
      io.stderr(`uncaught: ${error instanceof Error ? error.stack : String(error)}\n`);
      end(Status.broken);
    });
    void runOnce(argv, io).then(end);
  });
}

async function main(): Promise<void> {
  const [mode, path] = process.argv.slice(2);
  if (mode === '--pool' && path !== undefined) {
    let failure: ((error: unknown) => void) | null = null;
    process.on('uncaughtException', (error) => failure?.(error));
    process.on('disconnect', () => process.exit(0));
    // A worker that loops forever stops sending these, and is replaced.
    setInterval(() => process.send?.('alive'), 1000).unref();
    createServer((connection) => {
      serve(connection, (fail) => {
        failure = fail;
      });
    }).listen(path, () => process.send?.('alive'));
    return;
  }
  process.exitCode = await runOnce(process.argv.slice(2), {
    stdout: (text) => process.stdout.write(text, 'latin1'),
    stderr: (text) => process.stderr.write(text),
    gone: new AbortController().signal,
  });
}

await main();

/** A client as a process: `STACK PORT` visits localhost by the default list, and says how that ended. */
import nodeTls from 'node:tls';
import ours from '../../src/entry/index.ts';

const [stack, port] = process.argv.slice(2);
const options = { port: Number(port), host: '127.0.0.1', servername: 'localhost' };
const socket = stack === 'node:tls' ? nodeTls.connect(options) : ours.connect(options);
socket.once('secureConnect', () => {
  console.log(socket.authorized ? 'authorized' : 'not authorized');
  socket.destroy();
});
socket.once('error', (error: NodeJS.ErrnoException) => console.log(error.code));

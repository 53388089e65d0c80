import { describeWithPeers } from '../support/peer.ts';
import { opensslPeer } from './peers/openssl.ts';
import { testMatrix } from './run-matrix.ts';

describeWithPeers(['openssl'], 'openssl 3.0', ({ openssl }) => {
  testMatrix('openssl', (folder) => opensslPeer(openssl, folder));
});

import { describeWithPeers } from '../support/peer.ts';
import { boringPeer } from './peers/boringssl.ts';
import { testMatrix } from './run-matrix.ts';

describeWithPeers(['bssl-tool', 'openssl'], 'BoringSSL', (paths) => {
  testMatrix('boringssl', () => boringPeer(paths['bssl-tool']));
});

import { describeWithPeers } from '../support/peer.ts';
import { curlPeer } from './peers/curl.ts';
import { testMatrix } from './run-matrix.ts';

describeWithPeers(['curl', 'openssl'], 'curl', ({ curl }) => {
  testMatrix('curl', () => curlPeer(curl));
});

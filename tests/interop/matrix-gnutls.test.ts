import { describeWithPeers } from '../support/peer.ts';
import { gnutlsPeer } from './peers/gnutls.ts';
import { testMatrix } from './run-matrix.ts';

describeWithPeers(['gnutls-cli', 'gnutls-serv', 'openssl'], 'GnuTLS', (paths) => {
  testMatrix('gnutls', (folder) => gnutlsPeer(paths['gnutls-cli'], paths['gnutls-serv'], folder));
});

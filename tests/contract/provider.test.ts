import { nodeProvider } from '../../src/crypto/node/index.ts';
import { describeProvider } from './provider.ts';

describeProvider(nodeProvider);

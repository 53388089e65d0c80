import { describeOnNodes } from '../support/node-versions.ts';
import { nodePeer } from './peers/node.ts';
import { testMatrix } from './run-matrix.ts';

describeOnNodes('stock node:tls', (node, major) => {
  testMatrix(`node${major}`, () => nodePeer(node));
});

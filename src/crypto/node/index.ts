export { type CertificateCompressionAlgorithm, certificateCompressors } from './certificate-compression.ts';
export { NodeEcdh } from './ecdh.ts';
export { createNodeProvider, type NodeProviderOptions, nodeProvider } from './provider.ts';
export { NodeX25519 } from './x25519.ts';

/** The project's folder: scripts/bench.mjs runs the benchmarks from a bundle elsewhere, and says where. */
export const root: string = process.env['TLSESSION_ROOT'] ?? process.cwd();

/** `npm run limbo`: the tables, the deviations, and exit code 1 when something is not as it should be. */
import { deviations } from './deviations.ts';
import { findLimbo, runLimbo, tally, type Verdict } from './limbo.ts';

const path = findLimbo();

function print(title: string, verdicts: readonly Verdict[]): void {
  const head = ['', 'cases', 'right', 'accepted wrongly', 'refused wrongly'];
  const rows = tally(verdicts).map((row) => [
    row.category,
    ...[row.cases, row.right, row.falseAccepts, row.falseRefusals].map(String),
  ]);
  const slowest = verdicts.reduce((a, b) => (b.milliseconds > a.milliseconds ? b : a));
  console.log(`\n${title}`);
  for (const row of [head, ...rows]) {
    console.log(`  ${row.map((cell, i) => (i === 0 ? cell.padEnd(14) : cell.padStart(18))).join('')}`);
  }
  console.log(`  slowest: ${slowest.milliseconds.toFixed(1)} ms, ${slowest.id}`);
}

if (path === null) {
  console.log('skipped: ../shared/vectors/x509-limbo.json is not there');
} else {
  // Once before, so that the compiler's work does not count as a case's.
  runLimbo(path, 'rfc5280');
  const strict = runLimbo(path, 'rfc5280');
  print('rfc5280', strict);
  const compatible = runLimbo(path, 'compatible');
  print('compatible', compatible);
  console.log('\nWhere rfc5280 decides otherwise than the vectors:');
  for (const [id, reason] of deviations) console.log(`  ${id}\n    ${reason}`);

  const unexpected = strict.filter(({ id, right }) => right === deviations.has(id));
  for (const { id, result } of unexpected) {
    console.error(`NOT AS LISTED: ${id}: ${result.ok ? 'accepted' : `${result.reason}: ${result.message}`}`);
  }
  const slow = [...strict, ...compatible].filter(({ milliseconds }) => milliseconds >= 1000);
  for (const { id, milliseconds } of slow) console.error(`TOO SLOW: ${id}: ${milliseconds.toFixed(0)} ms`);
  const right = strict.filter((verdict) => verdict.right).length;
  console.log(`\n${right} of ${strict.length} right under rfc5280`);
  if (unexpected.length > 0 || slow.length > 0 || right < 185) process.exitCode = 1;
}

import { appendFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

/**
 * Says why tests were skipped, by the `[skipped: why]` in their titles, and closes a run with one plain line,
 * `N passed, N failed, N skipped`, for scripts to read. With
 * TLSESSION_COUNTS set to a file's path the line goes there instead: `.ci/run` adds up several runs and
 * prints one such line for all. What failed goes there too, as lines `FAILED where: why`, so that it can be said
 * again at the end of a long output.
 */
export default class CountsReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly unknown[],
    reason: TestRunEndReason,
  ): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const reasons = new Map<string, number>();
    const failures: string[] = [];
    for (const module of modules) {
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (state === 'failed') {
          failedHere += 1;
          failures.push(`${module.relativeModuleId}: ${test.fullName}: ${firstWords(errors?.[0]?.message)}`);
        } else if (state === 'passed') counts.passed += 1;
        else {
          counts.skipped += 1;
          const reason = /\[skipped: (.+?)\]/.exec(test.fullName)?.[1] ?? 'no reason in its title';
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        }
      }
      // A file that does not load, or whose hook fails, fails without a failed test in it.
      if (failedHere === 0 && module.state() === 'failed') {
        failedHere = 1;
        failures.push(`${module.relativeModuleId}: ${firstWords(module.errors()[0]?.message)}`);
      }
      counts.failed += failedHere;
    }
    counts.failed += unhandledErrors.length;
    if (unhandledErrors.length > 0) failures.push(`${unhandledErrors.length} errors outside of tests`);
    if (counts.failed === 0 && reason !== 'passed') {
      counts.failed = 1;
      failures.push(`the run as a whole: ${reason}`);
    }

    for (const [reason, count] of reasons) process.stdout.write(`SKIPPED ${count}: ${reason}\n`);
    const line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
    const file = process.env['TLSESSION_COUNTS'];
    if (file) appendFileSync(file, failures.map((failure) => `FAILED ${failure}\n`).join('') + line);
    else process.stdout.write(line);
  }
}

/** What fits in a line of what an error says. */
function firstWords(message = 'no message'): string {
  const line = stripVTControlCharacters(message).replaceAll(/\s+/g, ' ');
  return line.length > 300 ? `${line.slice(0, 300)} …` : line;
}

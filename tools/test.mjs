/**
 * The checks of this repository: types, lint and format, tests; then one plain line, `N passed, N failed`.
 *   node tools/test.mjs             everything (npm test)
 *   node tools/test.mjs --fast      without the tests that need an adapter (npm run check)
 *   node tools/test.mjs conv2d      arguments go to vitest as filters
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, exec } from './lib/exec.mjs';
import { duration, say } from './lib/say.mjs';
import { setup } from './setup.mjs';

/** A hung driver must not hang the run for ever. */
const TEST_LIMIT_MS = 75 * 60_000;

const args = process.argv.slice(2);
const fast = args.includes('--fast');
const filters = args.filter((arg) => arg !== '--fast');

/** Runs one check that passes or fails as a whole. */
async function check(name, command, options) {
  const start = performance.now();
  const { code, output } = await exec(bin(command), options);
  say(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${duration(performance.now() - start)})`);
  if (code !== 0) {
    console.error(output);
  }
  return code === 0;
}

/**
 * Runs vitest and counts from its JSON report. What the report cannot count (a file that does not load, an error
 * outside any test, a crash of the runner, a run of no test) is a failure too.
 */
async function tests() {
  const folder = mkdtempSync(join(tmpdir(), 'reno-test-'));
  const report = join(folder, 'report.json');
  const projects = fast ? ['--project', 'fast'] : [];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { code, timedOut } = await exec(bin('vitest'), ['run', ...projects, ...reporters, ...filters], {
    show: true,
    limitMs: TEST_LIMIT_MS,
  });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const problems = [];
  if (existsSync(report)) {
    const found = JSON.parse(readFileSync(report, 'utf8'));
    counts.passed = found.numPassedTests;
    counts.failed = found.numFailedTests;
    counts.skipped = found.numPendingTests + found.numTodoTests;
    const broken = found.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
    problems.push(...broken.map((file) => `${file.name} does not run`));
  } else {
    problems.push(timedOut ? 'the tests did not end in time' : `vitest ended with code ${code} and left no report`);
  }
  rmSync(folder, { recursive: true, force: true });
  if (counts.passed + counts.failed + problems.length === 0) {
    problems.push('no test ran');
  } else if (code !== 0 && counts.failed + problems.length === 0) {
    problems.push(`vitest ended with code ${code} though no test failed: see the errors above`);
  }
  for (const problem of problems) {
    say(`FAIL ${problem}`);
  }
  counts.failed += problems.length;
  return counts;
}

const start = performance.now();
await setup();
const checks = [await check('types', 'tsc', ['--noEmit']), await check('lint and format', 'biome', ['ci', '.'])];
const counts = await tests();
counts.failed += checks.filter((ok) => !ok).length;
say(`\nTook ${duration(performance.now() - start)}; types, lint and format count as failed when they fail.`);
say(`${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`);
process.exit(counts.failed === 0 ? 0 : 1);

/** `npm run page -- ops`: every op × variant × case and every gradient's kernels in Chromium, beside the f64 reference. */
import { type Args, type Command, countFlag, textFlag } from '../../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../../src/cli/flags/shared.ts';
import { assertChromium } from '../assert_chromium.ts';
import type { BrowserAdapter, RegistryRow } from './registry_row.ts';

export const opsCommand: Command = {
  meta: { name: 'ops', description: 'Run the op registry in Chromium, by the functions that the tests in Node call' },
  args: {
    ops: { type: 'string', description: 'Only ops with one of these texts in their name', valueHint: 'a,b' },
    cases: { type: 'string', description: 'Only so many cases of each op', valueHint: 'n' },
    ...jsonFlag,
  },
  run,
};

async function run(args: Args): Promise<number> {
  const part = { names: textFlag(args, 'ops')?.split(','), cases: countFlag(args, 'cases', 1) };
  await assertChromium();
  const { runRegistry } = await import('./run_registry.ts');
  const { browser, adapters, rows } = await runRegistry(part, (row) => console.log(line(row)));
  for (const adapter of adapters) {
    console.log(`adapter: ${described(adapter)}`);
  }
  const total = (count: (row: RegistryRow) => number): number => rows.reduce((sum, row) => sum + count(row), 0);
  const [ok, failed, leftOut] = [total((r) => r.ok), total((r) => r.failed.length), total((r) => r.leftOut.length)];
  const used = adapters.find(({ used }) => used);
  const summary =
    rows.length === 0
      ? `There is no op with ${part.names?.join(' or ')} in its name.`
      : `${ok} comparisons of ${rows.length} ops and ${total((r) => r.cases)} cases hold, ${failed} fail, and ${leftOut} are left out, ` +
        `because the adapter does not take them: ${browser}, ${used ? described(used) : 'no adapter'}.`;
  return finish(args, ok > 0 && failed === 0, summary, [...adapters, ...rows]);
}

function line({ op, ok, failed, leftOut, worst, seconds }: RegistryRow): string {
  const share = `errors of at most ${(100 * worst).toPrecision(2)} % of their bounds`;
  const counts = `${ok} ok, ${failed.length} failed, ${leftOut.length} left out; ${share}; ${seconds.toFixed(1)} s`;
  const details = [
    ...failed.map((name) => `\n     FAIL ${name}`),
    ...(leftOut.length > 0 ? [`\n     left out: ${leftOut.join(', ')}`] : []),
  ];
  return `${failed.length === 0 ? 'ok  ' : 'FAIL'} ${op}  ${counts}${details.join('')}`;
}

function described({ name, used, f16, subgroups }: BrowserAdapter): string {
  const [least, most] = subgroups ?? [];
  const sizes = subgroups ? `subgroups of ${least === most ? least : `${least} to ${most}`}` : 'no subgroups';
  return `${name} (${f16 ? 'f16' : 'no f16'}, ${sizes}${used ? '' : '; not used'})`;
}

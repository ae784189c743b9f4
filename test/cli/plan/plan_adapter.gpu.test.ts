/** `reno plan --backend`: for an adapter of this machine, with its limits. */
import { expect, it } from 'vitest';
import type { PlanReport } from '../../../src/cli/plan/plan_report.ts';
import { inProcess } from '../in_process.ts';

it('plans what this adapter would run, and says what it cannot bind', async () => {
  const plan = async (...more: string[]): Promise<{ code: number; stdout: string; plan: PlanReport }> => {
    const { code, stdout } = await inProcess(['plan', '--rewards', 'hps', '--json', ...more]);
    return { code, stdout, plan: JSON.parse(stdout.split('\n').at(-1) ?? '').rows[0] };
  };
  const here = await plan('--backend', 'vulkan');
  expect(here.code).toBe(0);
  expect(here.stdout).toMatch(/; planned for (?!a GPU with f16).+$/m);
  expect(here.plan.adapter).not.toBe((await plan()).plan.adapter);
  const large = await plan('--backend', 'vulkan', '--size', '8192');
  expect(large.code).toBe(1);
  expect(large.stdout).toMatch(/this adapter binds at most [\d.]+ [MG]B, and \w+ in generator\.vae\S* needs [\d.]+ GB/);
});

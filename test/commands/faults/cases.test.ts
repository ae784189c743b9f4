/** Each file of shared/cases has a right answer, and those that need no GPU give it. The folder may be absent. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withoutCase } from '../../../commands/faults/cases/cases_part.ts';
import { HOSTILE_CASES } from '../../../commands/faults/cases/hostile_cases.ts';
import { READING_CASES } from '../../../commands/faults/cases/reading_cases.ts';
import { CASES_FOLDER, equal, refusal } from '../../../commands/faults/cases/shared_case.ts';

const there = existsSync(CASES_FOLDER);
const where = there ? '' : ` (not here: ${CASES_FOLDER})`;

it.skipIf(!there)(`every file of shared/cases belongs to a case${where}`, () => {
  expect(withoutCase()).toEqual([]);
});

for (const { path, right, check } of [...HOSTILE_CASES, ...READING_CASES]) {
  it.skipIf(!there)(`${path}: ${right}${where}`, async () => {
    expect(await check(join(CASES_FOLDER, path))).not.toBe('');
  });
}

it('a wrong answer is told from the right one', async () => {
  expect(() => equal([1], [2])).toThrow('gave [1] where [2] is right');
  await expect(refusal(() => 'tensors', /x/)).rejects.toThrow('was taken: "tensors"');
  const other = () => Promise.reject(new Error('other words'));
  await expect(refusal(other, /hole/)).rejects.toThrow('said "other words", which does not match /hole/');
  const escapes = () => Promise.reject(new Error('hole \u001b[31m'));
  await expect(refusal(escapes, /hole/)).rejects.toThrow('does not match');
});

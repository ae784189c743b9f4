/** The attempts after memory runs out. */
import { expect, it } from 'vitest';
import { MemoryLadder } from '../../src/reno/memory_ladder.ts';

const budgets = (ladder: MemoryLadder, before: () => void = () => {}): unknown[] => {
  const found: unknown[] = [];
  for (let next = ladder.next(); next; next = ladder.next()) {
    const { budget, weightBits } = next.changes;
    found.push(weightBits ? `${budget} in 8 bits` : (budget ?? 'as it was'));
    before();
  }
  return found;
};

it('each takes less than the one before, and those that were opened are not followed by the first plan', () => {
  const ladder = new MemoryLadder();
  ladder.ranOut(1000);
  expect(budgets(ladder, () => ladder.opened())).toEqual([750, 500, 350, '500 in 8 bits', '250 in 8 bits']);
});

it('those for which there can be no plan are left out, and at last the first plan is tried once', () => {
  const ladder = new MemoryLadder();
  ladder.ranOut(1000);
  expect(budgets(ladder, () => ladder.refused(950))).toEqual([750, '500 in 8 bits', 'as it was']);
  expect(ladder.next()).toBeNull();
});

it('there are none where nobody knows what is needed', () => {
  const ladder = new MemoryLadder();
  ladder.ranOut(null);
  expect(ladder.next()).toBeNull();
});

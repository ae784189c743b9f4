/** The texts of the page and of the documentation are the same, and every reward and curve has one. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { charts } from '../../../src/reno/report/report.ts';
import { REWARDS } from '../../../src/reno/rewards/index.ts';
import { EXPLANATIONS, explanationOf, METHOD_TEXTS } from '../../../src/reno/settings/explanations.ts';

describe('explanations', () => {
  it('stand in docs/reno.md word for word', () => {
    const docs = readFileSync(new URL('../../../docs/reno.md', import.meta.url), 'utf8');
    expect(EXPLANATIONS.filter(({ name, text }) => !docs.includes(`- **${name}.** ${text}\n`))).toEqual([]);
  });

  it('of the methods stand in docs/search.md word for word', () => {
    const docs = readFileSync(new URL('../../../docs/search.md', import.meta.url), 'utf8');
    const missing = Object.entries(METHOD_TEXTS).filter(
      ([name, { text }]) =>
        !docs.split('\n').some((line) => line.startsWith(`| \`${name}\``) && line.includes(`| ${text} |`)),
    );
    expect(missing).toEqual([]);
  });

  it('exist for every reward and every curve', () => {
    const rewards = REWARDS.map(({ label }) => ({ name: label, weight: 1, offset: 0 }));
    const record = { iteration: 0, losses: {}, total: 0, regulariser: 0, norm: 1, gradNorm: 1, seconds: 0 };
    const drawn = charts({ config: { rewards, gradClip: 1, noise: { shape: [4] } }, iterations: [record], best: 0 });
    expect(drawn.map(({ title }) => title).filter((title) => explanationOf(title) === undefined)).toEqual([]);
    expect(drawn.length).toBeGreaterThan(REWARDS.length);
  });
});

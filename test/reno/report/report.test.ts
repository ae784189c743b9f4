import { describe, expect, it } from 'vitest';
import { lineChart, ticks } from '../../../src/reno/report/chart.ts';
import type { History, IterationRecord, RunConfig } from '../../../src/reno/report/history.ts';
import { dataUri } from '../../../src/reno/report/html.ts';
import { renderReport } from '../../../src/reno/report/report.ts';
import { unbalanced } from '../../support/unbalanced_elements.ts';

const prompt = `a photo of a "red" cat & <b>a car</b> isn't </script>`;

function history(iterations: number): History {
  return {
    format: 1,
    tool: 'reno-webgpu test',
    config: {
      model: 'pocket',
      prompt,
      seed: 0,
      mode: 'reno',
      nIters: iterations,
      lr: 5,
      optim: 'sgd',
      gradClip: 0.1,
      regWeight: 0.01,
      dtype: 'f32',
      rewards: [
        { name: 'HPS', weight: 5, offset: 1 },
        { name: 'CLIP', weight: 0.01, offset: 100 },
      ],
      noise: { source: 'reno', generator: 'test', draw: 0, shape: [1, 8, 8, 8] },
    },
    adapter: { vendor: 'mesa', architecture: 'software', description: 'llvmpipe', f16: true, subgroups: true },
    image: { height: 64, width: 64 },
    iterations: Array.from({ length: iterations }, (_, i) => ({
      iteration: i,
      losses: { HPS: 0.8 - i * 0.01, CLIP: 80 - i * 0.3 },
      total: 5 - i * 0.05,
      regulariser: -10.5,
      norm: 22.6 + 0.01 * i,
      gradNorm: 0.2 + 0.1 * Math.sin(i),
      seconds: i * 0.5,
    })),
    best: iterations - 1,
    stopped: null,
    seconds: { load: 3.2, prompt: 0.01, iterations: 25.4 },
  };
}

const uri = dataUri('image/png', new Uint8Array([1, 2, 3]));
const frames = [0, 9, 19].map((iteration) => ({ iteration, uri }));

describe('report', () => {
  const html = renderReport(history(20), { init: uri, best: uri, frames });

  it('is well-formed: every element is closed where it was opened', () => {
    expect(unbalanced(html)).toEqual([]);
  });

  it('says by what the noise is held, where it is not the norm', () => {
    const { config, ...rest } = history(3);
    const other = renderReport({ ...rest, config: { ...config, reg: 'spectrum' } }, { init: uri, best: uri, frames });
    expect(other).toContain('<tr><th>Regulariser weight</th><td>0.01, by moments and power spectrum</td></tr>');
    expect(html).toContain('<tr><th>Regulariser weight</th><td>0.01</td></tr>');
  });

  it('shows every ascent of a search from many noises, and which one is best', () => {
    const run = history(8);
    const origins = [{ draw: 0 }, { draw: 1 }, { draw: 2 }, { draw: 1, chain: 0 }, { draw: 1, chain: 0 }];
    const more = [0, 0, 0].map(() => ({ draw: 2, chain: 1 }));
    const iterations = [...origins, ...more].map(
      (origin, i) => ({ ...run.iterations[i], ...origin }) as IterationRecord,
    );
    const config: RunConfig = { ...run.config, mode: 'multi-start', search: { candidates: 3, chains: 2, steps: 3 } };
    const shown = renderReport({ ...run, config, iterations }, { init: uri, best: uri, frames });
    expect(unbalanced(shown)).toEqual([]);
    expect(shown).toContain('3 noises judged, the best 2 optimised for 3 iterations each');
    expect(shown).toContain('Ascents from the best of 3 noises');
    expect(shown).toContain('<tr><td>1</td><td>1</td><td>4.85</td><td>4.8</td></tr>');
    expect(shown).toContain('<tr class="is-best"><td>2</td><td>2</td><td>4.75</td><td>4.65</td></tr>');
    expect(renderReport(run, { init: uri, best: uri, frames })).not.toContain('Ascents');
  });

  it('shows the noise in another model where it was handed over, and only there', () => {
    const transfer = { model: 'a <model>', steps: 50, guidance: 7.5, seconds: { load: 2, pictures: 30 } };
    const shown = renderReport(
      { ...history(2), transfer },
      { init: uri, best: uri, frames, transfer: { init: uri, best: uri } },
    );
    expect(unbalanced(shown)).toEqual([]);
    expect(shown).toContain('The same noise in a &#60;model&#62; (50 steps, guidance 7.5)');
    expect(shown).toContain('2.0 s loading, 30.0 s two pictures');
    expect(html).not.toContain('The same noise');
  });

  it('fetches nothing', () => {
    const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((m) => m[1]);
    expect(addresses).toHaveLength(5);
    expect(addresses.every((a) => a?.startsWith('data:image/png;base64,'))).toBe(true);
    expect(html).not.toMatch(/url\(|@import|fetch\(/);
  });

  it('shows the prompt as text, whatever is in it', () => {
    expect(html).not.toContain('<b>a car</b>');
    expect(html.match(/<\/script>/g)).toHaveLength(1);
    expect(html).toContain('<h1>a photo of a &#34;red&#34; cat &#38; &#60;b&#62;a car&#60;/b&#62; isn&#39;t');
  });

  it('draws each reward as its score, higher is better', () => {
    expect(html).toContain(
      '<b>HPS</b><span class="note">higher is better; weight 5</span><span class="value">0.2 → 0.39</span>',
    );
    expect(html).toContain(
      '<b>CLIP</b><span class="note">higher is better; weight 0.01</span><span class="value">20 → 25.7</span>',
    );
  });

  it('is well-formed for one iteration, and says why a run ended early', () => {
    const short = renderReport(
      { ...history(1), stopped: 'the loss of HPS became NaN' },
      { init: uri, best: uri, frames: [] },
    );
    expect(unbalanced(short)).toEqual([]);
    expect(short).toContain('ended early: the loss of HPS became NaN');
  });
});

describe('charts', () => {
  it('put the values inside the plot, constant ones too', () => {
    for (const values of [[3, 3, 3], [0], [1e-9, 2e-9], [-5, 1e6, 0]]) {
      const svg = lineChart({ title: 't', note: '', values, best: 0 });
      const points =
        /points="([^"]*)"/
          .exec(svg)?.[1]
          ?.split(' ')
          .map((p) => p.split(',').map(Number)) ?? [];
      expect(points).toHaveLength(values.length);
      for (const [x, y] of points) {
        expect(x).toBeGreaterThanOrEqual(52);
        expect(x).toBeLessThanOrEqual(350);
        expect(y).toBeGreaterThanOrEqual(10);
        expect(y).toBeLessThanOrEqual(142);
      }
    }
  });

  it('have round ticks', () => {
    expect(ticks(0, 49, 5)).toEqual([0, 10, 20, 30, 40]);
    expect(ticks(0.12, 0.31)).toEqual([0.15, 0.2, 0.25, 0.3]);
    expect(ticks(-1, 1)).toEqual([-1, -0.5, 0, 0.5, 1]);
  });
});

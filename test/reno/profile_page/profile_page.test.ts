/** The page of a profile is one well-formed file that needs no other. */
import { describe, expect, it } from 'vitest';
import { profilePage } from '../../../src/reno/profile_page/profile_page.ts';
import { at } from '../../../src/tensor/types.ts';
import { madeProfile } from '../../support/made_profile.ts';
import { unbalanced } from '../../support/unbalanced_elements.ts';

const profile = madeProfile();
const html = profilePage(profile);
const count = (pattern: RegExp): number => [...html.matchAll(pattern)].length;

describe('the page of a profile', () => {
  it('is well-formed', () => {
    expect(unbalanced(html)).toEqual([]);
  });

  it('fetches nothing', () => {
    expect(html).not.toMatch(/\b(?:src|href)=|url\(|@import|https?:/);
  });

  it('shows names as text, whatever they hold', () => {
    const odd = '</script><img onerror=alert(1)>';
    const dispatches = profile.dispatches.map((dispatch) => ({
      ...dispatch,
      path: `net.${odd}`,
      kernel: odd,
      op: odd,
    }));
    const values = profile.memory.values.map((value) => ({ ...value, name: odd, path: odd }));
    const page = profilePage({ ...profile, subject: odd, dispatches, memory: { ...profile.memory, values } });
    expect(page).not.toContain('<img');
    expect(unbalanced(page)).toEqual([]);
    const [, data = ''] = /id="dispatches">([\s\S]*?)<\/script>/.exec(page) ?? [];
    expect(JSON.parse(data)[0]).toContain(odd);
  });

  it('has each dispatch on the time line, in the lane of its pass', () => {
    const [, timeline = ''] = /<figure class="zoomable timeline">([\s\S]*?)<\/figure>/.exec(html) ?? [];
    const blocks = [...timeline.matchAll(/<i class="(\w+)" data-d="(\d+)"/g)];
    expect(blocks.map(([, , i]) => Number(i)).sort((a, b) => a - b)).toEqual(profile.dispatches.map((_, i) => i));
    for (const [, direction, i] of blocks) {
      expect(direction).toBe(at(profile.dispatches, Number(i)).direction);
    }
    expect([...timeline.matchAll(/<b>([^<]*)<\/b>/g)].map(([, name]) => name)).toEqual([
      'net',
      'reward',
      'backward reward',
      'recomputed net',
      'backward net',
      '(step)',
    ]);
  });

  it('has a flame view whose parts are as wide as their modules', () => {
    const [, flame = ''] = /<figure class="zoomable flame">([\s\S]*?)<\/figure>/.exec(html) ?? [];
    const widths = new Map(
      [...flame.matchAll(/data-tip="([^ ]+) .*?width:([\d.]+)%/g)].map(([, path = '', width]) => [path, Number(width)]),
    );
    const [net = 0, first = 0, second = 0] = ['net', 'net.block.0', 'net.block.1'].map((path) => widths.get(path));
    expect(first + second).toBeCloseTo(net, 2);
    expect(widths.get('step')).toBe(100);
  });

  it('has a circle for each kernel, and a life for each value with the reads of both passes', () => {
    expect(count(/<circle class="kernel"/g)).toBe(new Set(profile.dispatches.map(({ kernel }) => kernel)).size);
    expect(count(/<div class="lane life">/g)).toBe(profile.memory.values.length);
    expect(count(/<i class="read backward"/g)).toBe(2);
    expect(html).toContain('backward: conv_backward.tile in net.block.0');
  });

  it('warns where timestamps are coarse', () => {
    expect(html).not.toContain('class="warning"');
    expect(profilePage({ ...profile, tickNs: 100_000 })).toContain('Timestamps are multiples of 100 µs');
  });

  it('is drawn for a single dispatch, and for one without arithmetic', () => {
    const one = { ...at(profile.dispatches, 0), flops: 0 };
    const single = {
      ...profile,
      dispatches: [one],
      passes: [{ dispatches: 1, ns: one.ns }],
      memory: { ...profile.memory, values: [] },
    };
    expect(profilePage(single)).not.toMatch(/NaN|Infinity/);
  });
});

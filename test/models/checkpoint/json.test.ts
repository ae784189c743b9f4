import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../../src/models/checkpoint/json.ts';
import { DEFAULT_BUDGET } from '../../../src/models/checkpoint/read_budget.ts';

const parse = (text: string) => parseJson(text, 'c.json');

describe('what JSON.parse reads is read alike', () => {
  it('any value, with white space', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t\r\n'), (value, space) => {
        // JSON writes -0 as 0.
        const text = JSON.stringify(value, null, space);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('text with some characters changed is read alike, or refused by both but for what this refuses on purpose', () => {
    const seeds = [
      '{"a":[1,2.5e-3,-0,true,null],"b\\u00e9\\n":{"c":"\\ud83d\\ude00"}}',
      '[[],{},"",0]',
      ' "\\"\\\\\\/" ',
    ];
    const change = fc.tuple(fc.nat(70), fc.constantFrom(...'{}[],:"\\ue0123-+.tfn \n\u0007\ufeff'));
    fc.assert(
      fc.property(fc.constantFrom(...seeds), fc.array(change, { minLength: 1, maxLength: 3 }), (seed, changes) => {
        const text = changes.reduce((t, [at, c]) => t.slice(0, at) + c + t.slice(at + 1), seed);
        let theirs: unknown;
        try {
          theirs = JSON.parse(text);
        } catch {
          expect(() => parse(text)).toThrow(/^c\.json: is not valid JSON: /);
          return;
        }
        try {
          expect(parse(text)).toEqual(theirs);
        } catch (error) {
          expect(String(error)).toMatch(/stands twice in one object|half of a surrogate pair/);
        }
      }),
      { numRuns: 3000, seed: 1 },
    );
  });

  it('the key __proto__ is a key', () => {
    const value = parse('{"__proto__": {"polluted": 1}}') as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect('polluted' in value).toBe(false);
  });
});

describe('what is refused is one sentence with the file and the place', () => {
  it.each([
    [
      'a key twice',
      '{"a": 1,\n "a": 2}',
      'is not valid JSON: the key "a" stands twice in one object at line 2, column 5',
    ],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}', 'the key "a" stands twice'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', 'the key "__proto__" stands twice'],
    ['a byte order mark', '\ufeff{}', 'a byte order mark'],
    ['half a pair', '"\\ud83d"', 'half of a surrogate pair'],
    ['half a pair in a key', '{"\\ude00":1}', 'half of a surrogate pair'],
    ['NaN, which Python writes', '{"a": NaN}', 'a value is missing at line 1, column 7'],
    ['a comment', '{} // x', 'there is more text after the value'],
    ['nothing', '', 'a value is missing at line 1, column 1'],
    ['brackets in brackets', '['.repeat(20_000) + ']'.repeat(20_000), 'is nested deeper than 64 levels'],
    ['objects in objects', '{"a":'.repeat(20_000), 'is nested deeper than 64 levels'],
  ])('%s', (_, text, sentence) => {
    expect(() => parse(text)).toThrow(sentence);
    expect(() => parse(text)).toThrow(/^c\.json: [^\n]+$/);
  });

  it('64 levels are read', () => {
    expect(parse('['.repeat(64) + ']'.repeat(64))).toHaveLength(1);
  });

  it('more than the budget', () => {
    const tiny = { ...DEFAULT_BUDGET, objects: 100, bytes: 1000 };
    expect(() => parseJson(`[${'0,'.repeat(200)}0]`, 'c.json', tiny)).toThrow('c.json: has more than 100 values');
    expect(() => parseJson(' '.repeat(1001), 'c.json', tiny)).toThrow('c.json: has 1001 bytes in its JSON');
    const late = { ...DEFAULT_BUDGET, milliseconds: 0 };
    expect(() => parseJson(`[${'0,'.repeat(5000)}0]`, 'c.json', late)).toThrow('c.json: took more than 0 ms');
  });

  it('megabytes are read in linear time', () => {
    const large = JSON.stringify(Array.from({ length: 200_000 }, (_, i) => ({ [`k${i}`]: `v${i}` })));
    const start = process.cpuUsage();
    expect(parse(large)).toHaveLength(200_000);
    const { user, system } = process.cpuUsage(start);
    expect(user + system).toBeLessThan(10e6);
  });
});

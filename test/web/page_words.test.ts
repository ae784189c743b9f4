/** The page's words about numbers. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { counted } from '../../src/web/words.ts';

const SOURCE = resolve(import.meta.dirname, '../../src/web');

it('one thing is singular, and nothing counts things in another way', () => {
  expect([counted(0, 'iteration'), counted(1, 'iteration'), counted(2, 'iteration')]).toEqual([
    '0 iterations',
    '1 iteration',
    '2 iterations',
  ]);
  const by = /\$\{[^}]*\} (iterations|steps|pictures|noises|ascents|seeds|files|runs|words)\b/;
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((name) => by.test(readFileSync(join(SOURCE, name), 'utf8')))).toEqual([]);
});

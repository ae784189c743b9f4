/** The reference of kernels: every variant is documented, and the pages are what the sources say. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KernelDocumentation } from '../../../commands/kernels/documentation.ts';
import { type DescribedOp, describedOps } from '../../../commands/kernels/reference/described_kernels.ts';
import { familyOf } from '../../../commands/kernels/reference/families.ts';
import { REFERENCE_FOLDER, readFigures } from '../../../commands/kernels/reference/figures.ts';
import { referencePages } from '../../../commands/kernels/reference/pages.ts';
import { allOps } from '../../../src/tensor/op.ts';

const COMMAND = 'run: npm run reno -- kernels reference';
const ops = describedOps();
const figures = readFigures();

/** Says what an op and its variants lack. */
function lacking({ op, text, cases, kernels }: DescribedOp): string[] {
  return [
    ...(text.length > 2 ? [] : [`${op.name} says nowhere what it computes`]),
    ...(cases.length > 0 ? [] : [`${op.name} has no test case`]),
    ...kernels.flatMap(({ name, idea, shown }) => [
      ...(idea.length > 10 ? [] : [`the idea of ${name} is not in docs/engine/kernels.md`]),
      ...(shown ? [] : [`no test case reaches ${name}`]),
    ]),
  ];
}

describe('the reference of kernels', () => {
  it('has every op and variant that is registered', () => {
    expect(ops.map(({ op }) => op.name).sort()).toEqual([...allOps().keys()].sort());
    for (const { op, kernels, file } of ops) {
      expect(kernels.map(({ variant }) => variant)).toEqual(op.isView ? [] : op.variants.map(({ name }) => name));
      expect(familyOf(file)).not.toBe('');
    }
  });

  it('lacks no documentation, case or WGSL', () => {
    expect(ops.flatMap(lacking)).toEqual([]);
  });

  it('has a figure of every kernel, or says that this adapter or this compiler does not take it', () => {
    const names = ops.flatMap(({ kernels }) => kernels.map(({ name }) => name));
    expect(names.length).toBeGreaterThan(150);
    const lacks = (section: 'measured' | 'compiled'): string[] =>
      names.filter((name) => figures[section].rows[name] === undefined);
    expect(lacks('measured'), `${COMMAND} --measure`).toEqual([]);
    expect(lacks('compiled'), `${COMMAND} --gpu navi31`).toEqual([]);
  });

  it('would tell what is missing', () => {
    const bare = describedOps(new KernelDocumentation([], ''));
    const found = bare.flatMap(lacking);
    expect(found).toContain('conv2d says nowhere what it computes');
    expect(found).toContain('the idea of conv2d.gpu_tile is not in docs/engine/kernels.md');
  });

  it('is on the pages as the sources have it', () => {
    const pages = referencePages(ops, figures);
    const written = readdirSync(REFERENCE_FOLDER).filter((name) => name.endsWith('.md'));
    const stale = [...pages.keys()].filter(
      (name) => !written.includes(name) || readFileSync(join(REFERENCE_FOLDER, name), 'utf8') !== pages.get(name),
    );
    expect(stale, COMMAND).toEqual([]);
    expect(
      written.filter((name) => !pages.has(name)),
      COMMAND,
    ).toEqual([]);
  });
});

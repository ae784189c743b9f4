/** Every variant that had a number is found under its name, and every name is documented. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import '../../../src/kernels/index.ts';
import { allOps, type Op } from '../../../src/tensor/op.ts';
import { formerVariant } from '../../../src/tensor/tuning/former_variants.ts';

const NUMBERS = ['v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7'];

/** Ops whose variant for matrix units came after the names. */
const NEW_ON_MATRICES = [
  ...['attention', 'attention_backward', 'conv2d', 'conv2d_backward_input'],
  ...['layer_norm_linear', 'linear_layer_norm_backward'],
];

/** Ops that came after the names. */
const NEW_OPS = ['linear_geglu_backward'];

/** Variants that came after the names in every op that has them. */
const NEW = ['subgroup_matrix_split', 'packed_f16'];

/** The numbers of an op's variants in the order of its list, as far as they had numbers. */
const numbersOf = (op: Op): string[] =>
  op.variants.flatMap(({ name }) => NUMBERS.filter((number) => formerVariant(op.name, number) === name));

it.each([...allOps().values()].filter(({ name }) => !NEW_OPS.includes(name)))(
  '$name has each of its variants under one number',
  (op) => {
    const old = op.variants.filter(({ name }) => !NEW.includes(name));
    expect(numbersOf(op)).toHaveLength(old.length - (NEW_ON_MATRICES.includes(op.name) ? 1 : 0));
  },
);

it.each([
  ['add', 'v2 v1'],
  ['attention_backward', 'v4 v3 v1'],
  ['concat', 'v3 v2 v1'],
  ['conv2d', 'v6 v5 v2 v3 v7 v1'],
  ['conv2d_backward_input', 'v6 v5 v2 v3 v7 v1'],
  ['conv2d_backward_weight', 'v4 v1'],
  ['embedding', 'v2 v1'],
  ['geglu', 'v2 v1'],
  ['group_norm', 'v3 v4 v2 v1'],
  ['layer_norm_backward', 'v3 v2 v1'],
  ['layer_norm_backward_gains', 'v2 v1'],
  ['layer_norm_linear', 'v3 v1'],
  ['matmul', 'v6 v7 v5 v2 v3 v1'],
  ['mean', 'v2 v3 v1'],
  ['pad', 'v2 v1 v3'],
  ['rotary_embedding', 'v2 v1'],
  ['softmax', 'v3 v2 v1'],
  ['split', 'v1'],
  ['transpose', 'v4 v2 v1 v3'],
])('%s has them in the order that it had: %s', (name, numbers) => {
  const op = allOps().get(name);
  expect(op && numbersOf(op).join(' ')).toBe(numbers);
});

it('are all in the table of docs/engine/kernels.md', () => {
  const text = readFileSync(resolve(import.meta.dirname, '../../../docs/engine/kernels.md'), 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| `'));
  const documented = new Set(
    rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name)),
  );
  const names = new Set([...allOps().values()].flatMap((op) => op.variants.map(({ name }) => name)));
  expect([...documented].sort()).toEqual([...names].sort());
});

import { describe, expect, it } from 'vitest';
import { shardNames } from '../../../src/models/checkpoint/open_checkpoint.ts';

const index = (file: unknown) => JSON.stringify({ weight_map: { a: 'model-1.safetensors', b: file } });

describe('an index of shards', () => {
  it('names files of its folder, each once', () => {
    expect(shardNames('i.json', index('model-1.safetensors'))).toEqual(['model-1.safetensors']);
    expect(shardNames('i.json', index('..model.safetensors'))).toEqual(['model-1.safetensors', '..model.safetensors']);
  });

  it.each([
    '../x',
    '/etc/passwd',
    'a/b',
    'a\\b',
    '..',
    '.',
    '',
    'C:x',
    'a\u0000',
    'a\u001b[2J',
    'https://h/x',
    'x'.repeat(256),
  ])('never a file elsewhere: %j', (file) => {
    expect(() => shardNames('i.json', index(file))).toThrow(/^i\.json: names the file "[\x20-\x7e]*", and an index/);
  });

  it('no other JSON', () => {
    expect(() => shardNames('i.json', '{"weight_map": {}}')).toThrow('i.json: must be JSON with a weight_map');
    expect(() => shardNames('i.json', index(3))).toThrow('i.json: must be JSON with a weight_map');
    expect(() => shardNames('i.json', '{"weight_map": {"a":"x","a":"y"}}')).toThrow('stands twice');
  });
});

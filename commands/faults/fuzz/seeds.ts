/** The files that mutations begin with: what torch.save and safetensors wrote, and small ones of each form. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import type { Input } from './mutate.ts';
import { bytesOfText, zipOf } from './stored_zip.ts';

const STORAGE = '(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ';
const TENSOR = `ctorch._utils\n_rebuild_tensor_v2\n(${STORAGE}K\0K\x02K\x02\x86K\x02K\x01\x86\x89ccollections\nOrderedDict\n)RtRq\x01`;
const PICKLES = [
  `\x80\x02}q\0X\x01\0\0\0w${TENSOR}s.`,
  `\x80\x02ccollections\nOrderedDict\n)Rq\0(X\x01\0\0\0w${TENSOR}X\x03\0\0\0w.bh\x01u}X\x09\0\0\0_metadatah\0sb.`,
  `\x80\x02}(X\x05\0\0\0epochK\x03X\x0a\0\0\0state_dict}X\x01\0\0\0w${TENSOR}sX\x01\0\0\0occollections\nCounter\n)Ru.`,
  `\x80\x02}X\x01\0\0\0pctorch._utils\n_rebuild_parameter\n${TENSOR}\x88ccollections\nOrderedDict\n)R\x87Rs.`,
  `\x80\x02}(X\x01\0\0\0w${TENSOR}X\x01\0\0\0dctorch\nfloat32\nX\x01\0\0\0sc__builtin__\nset\n]K\x01a\x85RX\x01\0\0\0cc__builtin__\ncomplex\nK\x01K\x02\x86RX\x01\0\0\0bc_codecs\nencode\nX\x01\0\0\0aX\x06\0\0\0latin1\x86Ru.`,
  `\x80\x02}X\x01\0\0\0uctorch._utils\n_rebuild_tensor_v3\n((X\x07\0\0\0storagectorch.storage\nUntypedStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x10tQK\x01K\x03\x85K\x01\x85\x89}ctorch\nint32\ntRs.`,
];

export function seeds(): Input[] {
  const fixture = (name: string): Uint8Array => readFileSync(join(PACKAGE_ROOT, 'parity/checkpoints', name));
  const archive = (pickle: string): Uint8Array =>
    zipOf([
      { name: 'a/data.pkl', bytes: bytesOfText(pickle) },
      { name: 'a/byteorder', bytes: bytesOfText('little') },
      { name: 'a/data/0', bytes: Uint8Array.from({ length: 16 }, (_, i) => i + 60) },
      { name: 'a/version', bytes: bytesOfText('3\n') },
    ]);
  const small = writeSafetensors(
    { a: { shape: [2], data: new Float32Array([1, 2]) }, b: { shape: [], data: new Int32Array([3]) } },
    { format: 'pt' },
  );
  return [
    { kind: 'safetensors', bytes: small },
    { kind: 'safetensors', bytes: writeSafetensors({ a: { shape: [1], data: new Float32Array([1]) } }) },
    { kind: 'safetensors', bytes: fixture('expected.safetensors') },
    ...PICKLES.map((pickle): Input => ({ kind: 'pickle', bytes: archive(pickle) })),
    ...['zip.pt', 'legacy.pt', 'zip64.pt'].map((name): Input => ({ kind: 'pickle', bytes: fixture(name) })),
  ];
}

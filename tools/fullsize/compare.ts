/**
 * One iteration of ReNO on a model folder, here and by PyTorch (tools/reference/fullsize.py): losses, picture, gradient at the noise.
 *   node tools/run.mjs tools/fullsize/compare.ts --models FOLDER --fixture FILE.safetensors [--dtype f16] [--json]
 * Exits 0 only when every bound holds.
 */
import { parseArgs } from 'node:util';
import { openAdapter } from '../../src/cli/adapter.ts';
import { fileSource, nodeFiles } from '../../src/cli/node_files.ts';
import { COMPUTE_DTYPES } from '../../src/models/half_precision.ts';
import { REWARD_NAMES } from '../../src/reno/rewards/index.ts';
import { Reno } from '../../src/reno/session.ts';
import { REFERENCE_SETTINGS } from '../../src/reno/settings.ts';
import { openSafetensors, readFloats } from '../../src/tensor/safetensors.ts';
import { at } from '../../src/tensor/types.ts';
import { cosine, nmse } from '../../test/support/numbers.ts';
import { fingerprint } from './fingerprint.ts';

const { values: options } = parseArgs({
  options: {
    models: { type: 'string' },
    fixture: { type: 'string' },
    dtype: { type: 'string', default: 'f32' },
    json: { type: 'boolean', default: false },
  },
});
const dtype = COMPUTE_DTYPES.find((d) => d === options.dtype);
if (!options.models || !options.fixture || !dtype) {
  console.error('give --models FOLDER, --fixture FILE.safetensors and, if wanted, --dtype f32 or f16');
  process.exit(2);
}

/** Losses are relative to the weighted sum, which is of order one and more. */
const BOUNDS = {
  f32: { loss: 1e-4, picture: 1e-5, cosine: 0.999, norm: 1e-2 },
  f16: { loss: 1e-2, picture: 1e-3, cosine: 0.99, norm: 5e-2 },
}[dtype];

const fixture = await openSafetensors(await fileSource(options.fixture));
const about = fixture.metadata;
const number = async (key: string): Promise<number> => at(await readFloats(fixture, key), 0);
const same = fingerprint(options.models) === about.fingerprint;
const weights: Readonly<Record<string, number>> = JSON.parse(about.weights ?? '{}');
const size = Number(about.size);
const device = await openAdapter();
const reno = await Reno.open(device, options.models, nodeFiles(options.models), {
  ...REFERENCE_SETTINGS,
  noise: 'torch-cpu',
  regWeight: Number(about.reg_weight),
  size: [size, size],
  dtype,
  rewards: weights,
});
const { history } = await reno.generate({ prompt: about.prompt ?? '', seed: Number(about.seed), nIters: 1 });
const record = at(history.iterations, 0);

interface Row {
  readonly what: string;
  readonly here: number;
  readonly torch: number;
  readonly ok: boolean;
}
const rows: Row[] = [];
const total = await number('rewards_loss');
const close = (what: string, here: number, torch: number, bound: number): void => {
  rows.push({ what, here, torch, ok: Math.abs(here - torch) <= bound });
};
const names = REWARD_NAMES.filter((name) => (weights[name] ?? 0) !== 0);
for (const [i, name] of names.entries()) {
  const loss = record.losses[reno.rewards[i]?.name ?? ''] ?? Number.NaN;
  close(`loss of ${name}`, loss, await number(`loss.${name}`), (BOUNDS.loss * total) / (weights[name] ?? 1));
}
close('weighted losses', record.total, total, BOUNDS.loss * total);
close('regulariser', record.regulariser, await number('regulariser'), 1e-3);
const picture = nmse(await smallPicture(), await readFloats(fixture, 'image64'));
rows.push({ what: 'picture at 64 × 64, NMSE', here: picture, torch: 0, ok: picture <= BOUNDS.picture });
const gradient = await reno.plan.read('noise_gradient');
const expected = await readFloats(fixture, 'gradient');
const direction = cosine(gradient, expected);
rows.push({ what: 'gradient at the noise, cosine', here: direction, torch: 1, ok: direction >= BOUNDS.cosine });
const norm = Math.sqrt(gradient.reduce((n, v) => n + v * v, 0));
const norms = await number('gradient_norm');
close('gradient at the noise, norm', norm, norms, BOUNDS.norm * norms);

/** The picture averaged down to 64 × 64, as torch's `area`. */
async function smallPicture(): Promise<Float32Array> {
  const image = await reno.plan.read('image');
  const side = Math.min(64, size);
  const step = size / side;
  const small = new Float32Array(side * side * 3);
  for (let i = 0; i < image.length; i++) {
    const [y, x, c] = [Math.floor(i / (size * 3)), Math.floor(i / 3) % size, i % 3];
    const to = (Math.floor(y / step) * side + Math.floor(x / step)) * 3 + c;
    small[to] = at(small, to) + at(image, i) / step ** 2;
  }
  return small;
}

for (const { what, here, torch, ok } of rows) {
  console.log(
    `${ok ? 'ok  ' : 'FAIL'} ${what.padEnd(32)} ${here.toPrecision(8).padStart(14)}  torch ${torch.toPrecision(8)}`,
  );
}
const failed = rows.filter((row) => !row.ok).length + (same ? 0 : 1);
const summary = `${rows.length} compared in ${dtype}, ${failed} failed${same ? '' : ': the weights are not those of the fixture'} (${about.versions})`;
console.log(summary);
if (options.json) {
  console.log(JSON.stringify({ ok: failed === 0, summary, rows }));
}
process.exit(failed === 0 ? 0 : 1);

/**
 * Run by itself: opens the checkpoint in a folder and uploads all of it to a sink that keeps nothing. Prints JSON: `peak`, by
 * how many bytes the process was ever larger than after opening, and `bytes`, how many arrived.
 * Arguments: folder, how floats are kept (`stored`, `f16`, `f32`).
 */

import type { WeightOptions } from '../../src/models/weights/weight_inputs.ts';
import { openWeights } from '../../src/models/weights/weight_store.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { Graph } from '../../src/tensor/graph.ts';

const [folder = '', storage = 'stored'] = process.argv.slice(2);
const options: WeightOptions = storage === 'stored' ? {} : { storage: storage === 'f16' ? 'f16' : 'f32' };
const weights = await openWeights(new Graph(), nodeFiles(folder), 'model', options);
for (let i = 0; weights.has(`t${i}`); i++) {
  weights.get(`t${i}`, weights.shapeOf(`t${i}`));
}
const before = process.memoryUsage.rss();
let bytes = 0;
await weights.upload({
  write: (_, data) => {
    bytes += data.byteLength;
  },
  writePart: (_, data) => {
    bytes += data.byteLength;
  },
});
console.log(JSON.stringify({ peak: process.resourceUsage().maxRSS * 1024 - before, bytes }));

/** ReNO: a better picture from a better noise.   node reno.mjs "a photo of a red tree and a purple heart" */
import { openDevice, openReno, writePng } from 'reno-webgpu';

const prompt = process.argv[2] ?? 'a photo of a red tree and a purple heart';

// Without a model folder, the small models run that come with the package.
const device = await openDevice();
const reno = await openReno(device, { nIters: 12 });

// Each iteration makes a picture from the noise, scores it, and moves the noise along the gradient of the score.
const { trajectory } = await reno.generate({
  prompt,
  seed: 114,
  onIteration: ({ iteration, total }, isBest) => console.log(iteration, total.toFixed(3), isBest ? 'best so far' : ''),
});
await writePng('init.png', { pixels: trajectory.initImage, ...reno.imageSize });
await writePng('best.png', { pixels: trajectory.bestImage, ...reno.imageSize });
console.log('wrote init.png, from the noise as it was drawn, and best.png, from the best noise');

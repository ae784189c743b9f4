/** ReNO in a page that a bundler makes.   npx vite (while you write it), npx vite build (for any static server) */
import { drawPicture, openDevice, openReno } from 'reno-webgpu';

const [canvas, status] = [document.querySelector('canvas'), document.querySelector('p')];

async function run() {
  const device = await openDevice();
  const reno = await openReno(device, { weights: './pocket', nIters: 12 }); // vite.config.js says where this comes from
  await reno.generate({
    prompt: 'a photo of a red tree and a purple heart',
    seed: 114,
    wantsFrame: () => true, // every iteration's picture is shown, not only the best
    onFrame: ({ iteration, pixels }, { total }) => {
      drawPicture(canvas, { pixels, ...reno.imageSize });
      status.textContent = `iteration ${iteration}: loss ${total.toFixed(3)}`;
    },
  });
  status.textContent += ', done';
}

run().catch((error) => {
  status.textContent = error.message; // one sentence, such as that this browser has no WebGPU
});

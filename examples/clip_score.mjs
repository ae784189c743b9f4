/**
 * How well pictures fit a prompt, by CLIP.   node clip_score.mjs "a photo of a red cat" cat.png dog.png
 * The variable CLIP names a folder with CLIP as transformers saves it, such as a clone of openai/clip-vit-large-patch14.
 */
import { openDevice, openReward, pocketModels, readPng, subfolder } from 'reno-webgpu';

const [prompt = 'a photo of a red tree and a purple heart', ...given] = process.argv.slice(2);
const pictures = given.length > 0 ? given : ['init.png', 'best.png']; // those that reno.mjs writes

// The default is the small CLIP that comes with the package.
const folder = process.env.CLIP ?? subfolder(pocketModels(), 'clip');
const clip = await openReward(await openDevice(), 'clip', folder);
for (const picture of pictures) {
  const score = await clip.score(await readPng(picture), prompt);
  console.log(`${score.toFixed(3)}  ${picture}`);
}

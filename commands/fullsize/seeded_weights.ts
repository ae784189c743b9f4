/**
 * A full-size model folder with seeded weights, in the public layout: the real networks, files and sizes, without their training.
 *   node tools/run.mjs commands/fullsize/seeded_weights.ts --model sd-turbo --out FOLDER --tokenizers FOLDER [--part generator,clip]
 */
import { parseArgs } from 'node:util';
import { Folder, PARTS, partOf } from './seeded_folder.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'sd-turbo' },
    out: { type: 'string' },
    tokenizers: { type: 'string' },
    part: { type: 'string', default: PARTS.join(',') },
  },
});
if (!values.out || !values.tokenizers) {
  console.error(
    'give --out, where the folder goes, and --tokenizers, a folder with the public clip, bert and t5 tokenizers',
  );
  process.exit(2);
}
const folder = new Folder(values.out, values.tokenizers, console.log);
try {
  for (const part of values.part.split(',')) {
    folder.write(partOf(values.model, part));
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

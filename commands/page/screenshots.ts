/** `npm run page -- screenshots`: the pictures of the page in docs/images, each on a desktop, in dark colours and on a phone. */
import { join } from 'node:path';
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { assertChromium } from './assert_chromium.ts';

/** Its first picture is wrong, as measured by `npm run evaluate`. */
const RUN = { prompt: 'a photo of a red tree and a purple heart', seed: 114, iterations: 8 };

export const screenshotsCommand: Command = {
  meta: { name: 'screenshots', description: 'Take the pictures of the page that the documentation shows' },
  args: {
    iterations: {
      type: 'string',
      description: 'Iterations of the run that the two lanes show',
      default: String(RUN.iterations),
      valueHint: 'number',
    },
    out: { type: 'string', description: 'Folder; default: docs/images of this repository', valueHint: 'folder' },
    ...jsonFlag,
  },
  run,
};

async function run(args: Args): Promise<number> {
  const iterations = countFlag(args, 'iterations', 1) ?? RUN.iterations;
  const folder = textFlag(args, 'out') ?? join(PACKAGE_ROOT, 'docs/images');
  await assertChromium();
  const { takeScreenshots } = await import('./take_screenshots.ts');
  const pictures = await takeScreenshots(folder, { ...RUN, iterations });
  for (const { file, bytes } of pictures) {
    console.log(`${file}: ${Math.ceil(bytes / 1000)} kB`);
  }
  return finish(args, true, `${pictures.length} pictures are in ${folder}.`, pictures);
}

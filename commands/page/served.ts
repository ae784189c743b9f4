/** The page of this checkout on a server of its own, as `npm run build` makes it. */
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { buildPage } from '../../tools/lib/page.mjs';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { serveFiles } from '../../tools/lib/serve.mjs';

export interface ServedPage {
  readonly url: string;
  close(): Promise<void>;
}

/** Builds the page and serves it. @param prelude JavaScript that the engine's worker runs first */
export async function servePage(prelude = ''): Promise<ServedPage> {
  const files: Map<string, Uint8Array> = await buildPage({ minify: true });
  for (const [path, bytes] of files) {
    if (prelude !== '' && /\/worker-\w+\.js$/.test(path)) {
      files.set(path, Buffer.concat([Buffer.from(`${prelude}\n`), bytes]));
    }
  }
  return serveFiles(async () => files, { port: 0 });
}

/** `npm run web [PORT]`: serves the browser page on this machine until Ctrl-C. */
import { ensurePackages } from './lib/packages.mjs';
import { say } from './lib/say.mjs';

const port = Number(process.argv[2] ?? 8080);
await ensurePackages();
const { serveWeb } = await import('./lib/bundle.mjs');
const { url } = await serveWeb(port);
say(`${url}   (open it in a browser with WebGPU; Ctrl-C stops)`);

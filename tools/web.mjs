/** `npm run web [PORT]`: serves the browser page on this machine until Ctrl-C. */
import { ensurePackages } from './lib/packages.mjs';
import { say, stop } from './lib/say.mjs';

const DEFAULT_PORT = 8080;
const HIGHEST_PORT = 65_535;

const asked = process.argv[2];
const port = Number(asked ?? DEFAULT_PORT);
if (!Number.isInteger(port) || port < 0 || port > HIGHEST_PORT) {
  stop(`${asked} is no port: give a whole number from 0 to ${HIGHEST_PORT} (0 takes any free port).`);
}
await ensurePackages();
const { serveWeb } = await import('./lib/serve.mjs');
try {
  const { url } = await serveWeb({ port });
  say(`${url}   (open it in a browser with WebGPU; Ctrl-C stops)`);
} catch (error) {
  const why = { EADDRINUSE: 'another program uses it', EACCES: 'this user may not open it' }[error.code];
  if (!why) {
    throw error;
  }
  stop(`Port ${port} cannot be opened: ${why}. Give another one: npm run web -- ${port + 1}`);
}

/** Child processes for the tools: never a shell string, never waiting for an answer on stdin. */
import { spawn } from 'node:child_process';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository root, where every command of the tools themselves runs. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A command that an npm package brings, such as `tsc`. */
export const bin = (name) => join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);

/**
 * Runs a command to its end.
 * @param {{ show?: boolean, stdin?: boolean, env?: NodeJS.ProcessEnv, cwd?: string, limitMs?: number, endsToo?: boolean }} options show: pass output through instead of
 * collecting it; stdin: let the child read the terminal; limitMs: kill it after that long; endsToo: a SIGTERM to this process ends it too.
 * @returns {Promise<{ code: number, signal: string | null, output: string, timedOut: boolean }>} code is 127 when it could not be started.
 */
export function exec(
  command,
  args,
  { show = false, stdin = false, env = process.env, cwd = root, limitMs = 0, endsToo = false } = {},
) {
  return new Promise((resolve) => {
    const out = show ? 'inherit' : 'pipe';
    const child = spawn(command, args, { cwd, env, stdio: [stdin ? 'inherit' : 'ignore', out, out] });
    let output = '';
    let timedOut = false;
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    const timer =
      limitMs > 0 &&
      setTimeout(() => {
        timedOut = true;
        child.kill('SIGKILL');
      }, limitMs);
    const pass = () => child.kill('SIGTERM');
    if (endsToo) {
      process.on('SIGTERM', pass);
    }
    const end = (code, signal) => {
      clearTimeout(timer);
      process.off('SIGTERM', pass);
      resolve({ code, signal, output, timedOut });
    };
    child.on('error', (error) => {
      output += error.message;
      end(127, null);
    });
    child.on('close', (code, signal) => end(code ?? 1, signal));
  });
}

/** The exit code of a process that SIGTERM has ended, as shells count. */
const TERMINATED = 143;

/** The folder that relative paths of the command line mean: the caller's, also where npm has changed to the repository. */
export function callersFolder() {
  const changed = process.env.npm_lifecycle_event !== undefined && relative(root, process.cwd()) === '';
  return (changed && process.env.INIT_CWD) || process.cwd();
}

/**
 * Runs a TypeScript file of this repository in the caller's folder, with its output and terminal passed through; resolves to the
 * exit code.
 */
export async function runTypeScript(file, args) {
  const { code, signal } = await exec(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), join(root, file), ...args],
    {
      show: true,
      stdin: true,
      endsToo: true,
      cwd: callersFolder(),
      env: { ...process.env, TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') },
    },
  );
  return signal === 'SIGTERM' ? TERMINATED : code;
}

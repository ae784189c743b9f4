/** Child processes for the tools: never a shell string, never waiting for an answer on stdin. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository root, where every command runs. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A command that an npm package brings, such as `tsc`. */
export const bin = (name) => join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);

/**
 * Runs a command to its end.
 * @param {{ show?: boolean, stdin?: boolean, env?: NodeJS.ProcessEnv, limitMs?: number }} options show: pass output through instead of
 * collecting it; stdin: let the child read the terminal; limitMs: kill it after that long.
 * @returns {Promise<{ code: number, signal: string | null, output: string, timedOut: boolean }>} code is 127 when it could not be started.
 */
export function exec(command, args, { show = false, stdin = false, env = process.env, limitMs = 0 } = {}) {
  return new Promise((resolve) => {
    const out = show ? 'inherit' : 'pipe';
    const child = spawn(command, args, { cwd: root, env, stdio: [stdin ? 'inherit' : 'ignore', out, out] });
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
    const end = (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, output, timedOut });
    };
    child.on('error', (error) => {
      output += error.message;
      end(127, null);
    });
    child.on('close', (code, signal) => end(code ?? 1, signal));
  });
}

/** Runs a TypeScript file of this repository with its output and terminal passed through; resolves to the exit code. */
export async function runTypeScript(file, args) {
  const { code } = await exec(process.execPath, ['--import', 'tsx', file, ...args], { show: true, stdin: true });
  return code;
}

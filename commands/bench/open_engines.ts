/** The engines by name, and what each needs before it can start. */

import { typeScript } from './engine_process.ts';
import { installPackages, pythonWithTorch } from './peers/install.ts';
import type { RunningEngine } from './take_turns.ts';
import { start } from './take_turns.ts';

export const OURS = 'reno';
export const ORT = 'onnxruntime';
export const TORCH = 'PyTorch CPU';

const FILES: Readonly<Record<string, string>> = {
  [OURS]: 'this_project',
  tfjs: 'tfjs',
  'jax-js': 'jax',
  [ORT]: 'ort',
};

export interface OpenEngines {
  readonly engines: readonly RunningEngine[];
  /** Reasons why engines are missing; no figure that needs one of them holds. */
  readonly missing: readonly string[];
}

/** In the order given; the first that starts gives the values that the others' are compared with. */
export async function openEngines(names: readonly string[], say: (line: string) => void): Promise<OpenEngines> {
  const engines: RunningEngine[] = [];
  const missing: string[] = [];
  for (const name of names) {
    try {
      const engine = await opened(name, say);
      say(`${name}: ${engine.version}`);
      engines.push(engine);
    } catch (error) {
      const why = `${name} is missing: ${error instanceof Error ? error.message : String(error)}`;
      missing.push(why);
      say(why);
    }
  }
  return { engines, missing };
}

async function opened(name: string, say: (line: string) => void): Promise<RunningEngine> {
  if (name === TORCH) {
    const command = await pythonWithTorch(say);
    return start(name, { command, args: ['commands/bench/peers/torch_cpu.py'] });
  }
  if (name !== OURS) {
    await installPackages(say);
  }
  return start(name, typeScript(`commands/bench/peers/${FILES[name]}.ts`));
}

export function close(engines: readonly RunningEngine[]): void {
  for (const { process } of engines) {
    process.close();
  }
}

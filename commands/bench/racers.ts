/** The engines by name, and what each needs before it can start. */
import { installPackages, pythonWithTorch } from './peers/install.ts';
import { typeScript } from './process.ts';
import type { Racer } from './race.ts';
import { start } from './race.ts';

export const OURS = 'reno';
export const ORT = 'onnxruntime';
export const TORCH = 'PyTorch CPU';

const FILES: Readonly<Record<string, string>> = {
  [OURS]: 'reno',
  tfjs: 'tfjs',
  'jax-js': 'jax',
  [ORT]: 'ort',
};

export interface Racers {
  readonly racers: readonly Racer[];
  /** Why an engine is not there: then no figure that needs it holds. */
  readonly missing: readonly string[];
}

/** In the order given; the first that starts gives the values that the others' are compared with. */
export async function openRacers(names: readonly string[], say: (line: string) => void): Promise<Racers> {
  const racers: Racer[] = [];
  const missing: string[] = [];
  for (const name of names) {
    try {
      const racer = await opened(name, say);
      say(`${name}: ${racer.version}`);
      racers.push(racer);
    } catch (error) {
      const why = `${name} is missing: ${error instanceof Error ? error.message : String(error)}`;
      missing.push(why);
      say(why);
    }
  }
  return { racers, missing };
}

async function opened(name: string, say: (line: string) => void): Promise<Racer> {
  if (name === TORCH) {
    const command = await pythonWithTorch(say);
    return start(name, { command, args: ['commands/bench/peers/torch_cpu.py'] });
  }
  if (name !== OURS) {
    await installPackages(say);
  }
  return start(name, typeScript(`commands/bench/peers/${FILES[name]}.ts`));
}

export function close(racers: readonly Racer[]): void {
  for (const { process } of racers) {
    process.close();
  }
}

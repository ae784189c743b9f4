/** The part `resume`: a run is killed at random moments, over an older run, until it ends; its files are those of an undisturbed one. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { seeded } from '../fuzz/random.ts';

const RUN = ['generate', '--prompt', 'a photo of three butterflies', '--n-iters', '20', '--no-times'];
const FORMER = ['generate', '--prompt', 'a photo of a dog', '--n-iters', '2', '--no-times'];

export const resume: FaultPart = {
  name: 'resume',
  description: 'Kill a run at random moments and start it again: the same bytes in the end, and no mix before',
  run: randomKills,
};

async function randomKills({ seed, count = 6, say }: FaultOptions): Promise<FaultRow[]> {
  const work = mkdtempSync(join(tmpdir(), 'reno-kills-'));
  const random = seeded(seed);
  try {
    const started = Date.now();
    await reno([...RUN, '--out', join(work, 'calm')]);
    const whole = Date.now() - started;
    await reno([...FORMER, '--out', join(work, 'former')]);
    const out = join(work, 'out');
    const [calm, former] = [contents(join(work, 'calm')), contents(join(work, 'former'))];
    await reno([...FORMER, '--out', out]);
    let injected = 0;
    let problem = '';
    while (injected < count && problem === '') {
      const { code } = await reno([...RUN, '--save-every', '1', '--out', out], whole * (0.3 + 0.006 * random(101)));
      const shown = contents(out);
      const isCalm = equal(shown, calm);
      problem = code === 0 && !isCalm ? 'the run ended in other bytes' : '';
      if (code === 0) {
        rmSync(out, { recursive: true });
        await reno([...FORMER, '--out', out]);
        continue;
      }
      injected += 1;
      const isPart = (of: ReadonlyMap<string, string>): boolean =>
        [...shown].every(([p, bytes]) => of.get(p) === bytes);
      problem ||= isPart(former) || isPart(calm) ? '' : `kill ${injected}: the folder mixes two runs`;
      say(`${injected} of ${count} kills: ${isCalm ? 'the new run' : 'the former run'} is in the folder`);
    }
    const { code } = await reno([...RUN, '--out', out]);
    problem ||= code === 0 && equal(contents(out), calm) ? '' : 'the run ended in other bytes';
    const found = problem || 'the same bytes in all files (--no-times), mixed folders 0';
    const lost = problem === '' ? 0 : 1;
    return [{ part: 'resume', fault: 'SIGKILL at a random moment', injected, survived: injected - lost, lost, found }];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Runs the command; with `after`, kills it after so many milliseconds. */
function reno(args: readonly string[], after?: number): Promise<{ code: number | null }> {
  const program = ['--import', 'tsx', join(PACKAGE_ROOT, 'commands/bin.ts'), ...args];
  const child = spawn(process.execPath, program, { cwd: PACKAGE_ROOT, stdio: 'ignore' });
  const timer = after === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), after);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(timer);
      resolve({ code });
    });
  });
}

function contents(folder: string): Map<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => !path.startsWith('.reno'));
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return new Map(files.map((path) => [path, readFileSync(join(folder, path), 'base64')]));
}

function equal(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([path, bytes]) => b.get(path) === bytes);
}

/** Runs parts one after another, each in a process of its own that is ended at the part's time limit. */
import { fork } from 'node:child_process';
import { sentenceOf } from '../../src/cli/usage_error.ts';
import type { Part, PartContext, PartResult, PartRow } from './part.ts';

/** Names the part that a child process runs. */
const PART_VARIABLE = 'RENO_SELFTEST_PART';
/** The part ends itself, where it can, when this share of its time limit is over. */
const OWN_SHARE = 0.75;

type Message = { readonly row: PartRow } | { readonly end: string } | { readonly error: string };

export interface RunOptions {
  readonly quick: boolean;
  /** Called with the results so far: after each part, and while one runs (`isRunning`) with the rows that it has found. */
  readonly onResult: (results: readonly PartResult[], isRunning: boolean) => void;
  /** The program that children run and its arguments; the same command again where tests give no other. */
  readonly program?: readonly [file: string, ...args: string[]];
  /** Ends the run: the present part is cut, and no further one begins. */
  readonly signal?: AbortSignal;
}

/** Runs `parts`. One that fails or takes too long is recorded, and the next one begins. */
export async function runParts(parts: readonly Part[], options: RunOptions): Promise<PartResult[]> {
  const results: PartResult[] = [];
  for (const part of parts) {
    if (options.signal?.aborted) {
      break;
    }
    const result = await inChild(part, options, (soFar) => options.onResult([...results, soFar], true));
    results.push(result);
    options.onResult(results, false);
  }
  return results;
}

const limitOf = ({ limit }: Part, quick: boolean): number => (quick ? limit.quick : limit.full);

function inChild(part: Part, options: RunOptions, onRow: (soFar: PartResult) => void): Promise<PartResult> {
  const limit = limitOf(part, options.quick);
  const [file = process.argv[1] ?? '', ...args] = options.program ?? [process.argv[1] ?? '', ...process.argv.slice(2)];
  const start = performance.now();
  const rows: PartRow[] = [];
  const result = (state: PartResult['state'], sentence: string): PartResult => {
    const seconds = (performance.now() - start) / 1000;
    return { part: part.name, title: part.title, state, sentence, seconds, limit, rows: [...rows] };
  };
  return new Promise((resolve) => {
    // A group of its own, so that what the part starts (PyTorch) ends with it.
    const child = fork(file, args, {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, [PART_VARIABLE]: part.name },
    });
    let said: PartResult | undefined;
    let complaint = '';
    const kill = (): void => {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        child.kill('SIGKILL'); // Systems without process groups.
      }
    };
    const cut = (why: string): void => {
      said ??= result('cut', `${why}; what it found until then is kept (rows: ${rows.length})`);
      kill();
    };
    const timer = setTimeout(() => cut(`the part was ended at its time limit of ${limit} s`), limit * 1000);
    const interrupted = (): void => cut('the part was ended from outside');
    options.signal?.addEventListener('abort', interrupted);
    const end = (last: PartResult): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', interrupted);
      resolve(said ?? last);
    };
    child.stderr?.on('data', (bytes: Buffer) => {
      complaint = `${complaint}${bytes}`.slice(-4000);
    });
    child.on('message', (message: Message) => {
      if (said) {
        return;
      }
      if ('row' in message) {
        rows.push(message.row);
        onRow(result('cut', 'the part was not at its end when this file was written'));
      } else if ('end' in message) {
        const wrong = rows.filter(({ ok }) => !ok).length;
        said = result(wrong === 0 ? 'held' : 'failed', message.end);
        kill(); // Dawn may take its time to leave.
      } else {
        said = result('failed', message.error);
        kill();
      }
    });
    child.on('error', (error) => end(result('failed', `the part could not be started: ${sentenceOf(error)}`)));
    child.on('close', (code, signal) => {
      const how = signal ? `signal ${signal}` : `exit code ${code}`;
      const last = complaint.trim().split('\n').at(-1) ?? '';
      end(result('failed', `the part's process ended by itself (${how})${last === '' ? '' : `: ${last}`}`));
    });
  });
}

/** The part that this process was started for, if it is such a child. */
export function partOfThisProcess(parts: readonly Part[]): Part | undefined {
  const name = process.send ? process.env[PART_VARIABLE] : undefined;
  return parts.find((part) => part.name === name);
}

/** Runs a part in this child process and tells the parent what it finds. @returns the exit code */
export async function runAsChild(part: Part, given: Pick<PartContext, 'quick' | 'out' | 'adapter'>): Promise<number> {
  const tell = (message: Message): Promise<void> =>
    new Promise((done) => process.send?.(message, () => done()) ?? done());
  const seconds = limitOf(part, given.quick) * OWN_SHARE;
  try {
    await tell({ end: await part.run({ ...given, seconds, row: (row) => void tell({ row }) }) });
    return 0;
  } catch (error) {
    await tell({ error: sentenceOf(error) });
    return 1;
  }
}

/**
 * Fuzzes the readers of checkpoints. A mutation that either reader answers as none before is kept, and further mutations begin
 * with it too. Where there is a Python with PyTorch and safetensors, each file is read there as well, and both must agree.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { difference } from './compare.ts';
import { type Input, type Kind, mutated } from './mutate.ts';
import { pick, type Random, seeded } from './random.ts';
import { type Reading, readHere } from './reading.ts';
import { PYTHON, Reference, type Verdict } from './reference.ts';
import { generated } from './right_files.ts';
import { seeds } from './seeds.ts';

/** Promises of docs/reliability.md: a file is answered within these, whatever it holds. */
const [MAX_MILLISECONDS, MAX_MEMORY] = [2000, 200 * 2 ** 20];
const SHORT_RUN = 3000;
const BATCH = 64;
/** The most files that are kept, and the size of the largest. */
const [MAX_KEPT, MAX_KEPT_BYTES] = [4000, 20_000];
/** Where files go after which a promise did not hold. */
const LOST_FOLDER = 'reno-out/faults';

export const fuzz: FaultPart = {
  name: 'fuzz',
  description:
    'Changed checkpoints: no crash, no memory or time beyond the budget, and the answer of PyTorch and safetensors',
  run: fuzzReaders,
};

/** Counts and first disagreements of one kind of file so far. */
interface Tally {
  inputs: number;
  read: number;
  compared: number;
  crashes: number;
  slow: number;
  divergences: number;
  first: string;
  readonly meant: Map<string, number>;
}

async function fuzzReaders({ seed, count = SHORT_RUN, say }: FaultOptions): Promise<FaultRow[]> {
  const random = seeded(seed);
  const corpus: Readonly<Record<Kind, Corpus>> = {
    safetensors: { right: seeds().filter(({ kind }) => kind === 'safetensors'), wrong: [] },
    pickle: { right: seeds().filter(({ kind }) => kind === 'pickle'), wrong: [] },
  };
  const tallies = new Map<Kind, Tally>();
  const seen = new Set<string>();
  let reference = Reference.start();
  if (!reference) {
    say(`fuzz: there is no Python with torch and safetensors (${PYTHON} may name one), so answers are not compared`);
  }
  const baseline = process.memoryUsage.rss();
  let memory = 0;
  const start = performance.now();
  for (let done = 0; done < count; done += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - done) }, () => next(corpus, random));
    const readings: Reading[] = [];
    for (const input of batch) {
      reference?.send(input);
      readings.push(await readHere(input));
    }
    memory = Math.max(memory, process.memoryUsage.rss() - baseline);
    for (const [i, input] of batch.entries()) {
      const reading = readings[i];
      if (!reading) {
        continue;
      }
      const verdict = reference ? await reference.answer() : undefined;
      if (verdict === null) {
        // PyTorch itself died of this file: the rest of the batch is asked again.
        reference = Reference.start();
        for (const again of batch.slice(i + 1)) {
          reference?.send(again);
        }
      }
      note(tallyOf(tallies, input.kind), input, reading, verdict ?? undefined);
      const answer = `${input.kind} ${shapeOf(reading)} | ${verdict ? (verdict.ok ? 'ok' : plain(verdict.error ?? '')) : ''}`;
      const kept = corpus[input.kind][reading.ok || verdict?.ok ? 'right' : 'wrong'];
      if (!seen.has(answer) && kept.length < MAX_KEPT && input.bytes.length < MAX_KEPT_BYTES) {
        seen.add(answer);
        kept.push(input);
      }
    }
    if (done % (BATCH * 200) === 0) {
      const lost = [...tallies.values()].map(({ divergences, crashes, slow }) => divergences + crashes + slow);
      say(
        `fuzz: ${done + batch.length} of ${count}, ${seen.size} kept, ${lost.reduce((a, b) => a + b, 0)} lost, ` +
          `${((performance.now() - start) / 1000).toFixed(0)} s`,
      );
    }
  }
  reference?.stop();
  const rows = [...tallies].map(([kind, tally]) => rowOf(kind, tally));
  return [
    ...rows,
    {
      part: 'fuzz',
      fault: 'memory of the whole run',
      injected: 1,
      survived: memory <= MAX_MEMORY ? 1 : 0,
      lost: memory <= MAX_MEMORY ? 0 : 1,
      found: `${(memory / 2 ** 20).toFixed(0)} MiB above the start`,
      figures: { 'over budget': memory <= MAX_MEMORY ? 0 : 1 },
    },
  ];
}

/** Files that a reader took, and files that all refused: most mutations begin with one that was taken. */
interface Corpus {
  readonly right: Input[];
  readonly wrong: Input[];
}

function next(corpus: Readonly<Record<Kind, Corpus>>, random: Random): Input {
  const kind: Kind = random(2) === 0 ? 'safetensors' : 'pickle';
  const { right, wrong } = corpus[kind];
  const own = wrong.length > 0 && random(6) === 0 ? wrong : right;
  const made = random(3) === 0 ? generated(kind, random) : undefined;
  return made && random(3) > 0 ? made : { kind, bytes: mutated(made ?? pick(random, own), own, random) };
}

function note(tally: Tally, input: Input, reading: Reading, verdict: Verdict | undefined): void {
  tally.inputs += 1;
  tally.read += reading.ok ? 1 : 0;
  tally.crashes += reading.crashed ? 1 : 0;
  tally.slow += reading.milliseconds > MAX_MILLISECONDS ? 1 : 0;
  tally.compared += verdict ? 1 : 0;
  const differs = verdict ? difference(reading, verdict) : null;
  if (differs?.meant) {
    tally.meant.set(differs.meant, (tally.meant.get(differs.meant) ?? 0) + 1);
  }
  const lost = reading.crashed || reading.milliseconds > MAX_MILLISECONDS || (differs && differs.meant === null);
  if (lost) {
    tally.divergences += differs && differs.meant === null ? 1 : 0;
    const what = reading.crashed ? `crash: ${reading.error}` : (differs?.what ?? `${reading.milliseconds} ms`);
    keep(input, what);
    tally.first ||= what;
  }
}

/** Writes the file down, so that it can be looked at and become a test. */
function keep({ kind, bytes }: Input, what: string): void {
  mkdirSync(LOST_FOLDER, { recursive: true });
  const name = `${createHash('md5').update(bytes).digest('hex').slice(0, 12)}.${kind === 'pickle' ? 'pt' : kind}`;
  writeFileSync(join(LOST_FOLDER, name), bytes);
  writeFileSync(join(LOST_FOLDER, `${name}.txt`), `${what}\n`);
}

function tallyOf(tallies: Map<Kind, Tally>, kind: Kind): Tally {
  const tally = tallies.get(kind) ?? {
    inputs: 0,
    read: 0,
    compared: 0,
    crashes: 0,
    slow: 0,
    divergences: 0,
    first: '',
    meant: new Map<string, number>(),
  };
  tallies.set(kind, tally);
  return tally;
}

/** Returns what kind of answer this is: numbers and names do not matter. */
function shapeOf({ ok, tensors, odd, error }: Reading): string {
  const dtypes = [...new Set(Object.values(tensors).map(([dtype, shape]) => `${dtype}${shape.length}`))].sort();
  return ok ? `read ${dtypes.join(' ')} ${Math.min(odd.length, 3)}` : plain(error);
}

function plain(text: string): string {
  return text
    .replaceAll(/\d+/g, 'n')
    .replaceAll(/"[^"]*"|'[^']*'|\[[^\]]*\]/g, '_')
    .slice(0, 90);
}

function rowOf(kind: Kind, tally: Tally): FaultRow {
  const lost = tally.divergences + tally.crashes + tally.slow;
  const meant = [...tally.meant].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name} ${n}`);
  const counts =
    `${tally.read} read, ${tally.compared} compared: ${tally.divergences} divergences, ${tally.crashes} crashes, ` +
    `${tally.slow} over ${MAX_MILLISECONDS} ms`;
  return {
    part: 'fuzz',
    fault: `changed ${kind === 'pickle' ? 'PyTorch checkpoints' : 'safetensors files'}`,
    injected: tally.inputs,
    survived: tally.inputs - lost,
    lost,
    figures: {
      'inputs fuzzed': tally.inputs,
      'compared with the reference': tally.compared,
      divergences: tally.divergences,
      crashes: tally.crashes,
      'over budget': tally.slow,
    },
    found: [counts, ...(tally.first ? [`first: ${tally.first} (in ${LOST_FOLDER})`] : []), ...meant].join('; '),
  };
}

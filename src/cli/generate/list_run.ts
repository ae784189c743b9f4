/** A benchmark's list of prompts: a picture for each, at the path where the benchmark's own tools look for it. */
import { join } from 'node:path';
import { encodePng, toPicture } from '../../platform/node/png.ts';
import { promptNoise, type TaskItem } from '../../reno/tasks/tasks.ts';
import { debugLevel, printDebug } from '../debug_variable.ts';
import { EXIT } from '../exit_codes.ts';
import { printJson } from '../flags/shared.ts';
import { nodeFileSystem, removeFile } from '../run_store/file_system.ts';
import { sentenceOf } from '../usage_error.ts';
import { type GenerateRun, keptRun, resultRow, runKey } from './generate_run.ts';

/** Prompts of a list that gave no picture, in this file of the output folder. */
const FAILED = 'failed.json';
const FAILED_SLOT = 'failed';

type Row = ReturnType<typeof resultRow>;

/**
 * Runs a list. A picture is there already when its prompt, seed, settings and model are those of the list, and its file is unchanged:
 * it is not made again. A prompt that fails is recorded with its reason, and the rest goes on.
 * @returns the exit code: not 0 where one failed @throws Error when no further prompt can run
 */
export async function generateList(run: GenerateRun, items: readonly TaskItem[], seed: number): Promise<number> {
  const { steady, store, interruption } = run;
  const rows: Row[] = [];
  const failed: { index: number; prompt: string; reason: string }[] = [];
  for (const [index, item] of items.entries()) {
    try {
      const row = await runItem(run, item, index, seed);
      if (row) {
        rows.push(row);
        console.error(
          `${index + 1}/${items.length}  ${row.initLoss.toFixed(3)} to ${row.bestLoss.toFixed(3)}  ${item.prompt}`,
        );
      }
    } catch (error) {
      steady.device.assertHealthy();
      if (interruption.signal.aborted) {
        break;
      }
      const reason = sentenceOf(error);
      failed.push({ index, prompt: item.prompt, reason });
      const text = new TextEncoder().encode(`${JSON.stringify(failed, null, 1)}\n`);
      store.publish({ slot: FAILED_SLOT, key: '', complete: true, files: new Map([[FAILED, text]]) });
      console.error(`${index + 1}/${items.length}  no picture: ${reason}`);
    }
  }
  if (failed.length === 0 && !interruption.signal.aborted) {
    removeFile(nodeFileSystem, join(store.path, FAILED)); // An earlier run of the same list may have left it.
  }
  const others = store.slots().filter((slot) => /^item-\d+$/.test(slot) && Number(slot.slice(5)) >= items.length);
  if (others.length > 0) {
    console.error(
      `reno: ${store.path} also holds ${others.length} pictures of a longer list, which are left as they are`,
    );
  }
  await printDebug(steady.reno, steady.device, debugLevel());
  return report(run, rows, failed, items.length);
}

function report(run: GenerateRun, rows: readonly Row[], failed: readonly unknown[], count: number): number {
  const { interruption, json } = run;
  const isWhole = failed.length === 0 && !interruption.signal.aborted;
  const mean = (of: (row: Row) => number): number => rows.reduce((n, r) => n + of(r), 0) / rows.length;
  const made =
    rows.length > 0
      ? `${rows.length} prompts: mean loss ${mean((r) => r.initLoss).toFixed(4)} to ${mean((r) => r.bestLoss).toFixed(4)}`
      : isWhole
        ? `all ${count} pictures were there already`
        : 'no picture was made';
  const summary = failed.length > 0 ? `${made}; ${failed.length} of ${count} prompts failed, see ${FAILED}` : made;
  console.log(summary);
  if (interruption.signal.aborted) {
    console.error(`reno: the list was interrupted (${interruption.what}); the same command goes on from there`);
  }
  if (json) {
    printJson({ ok: isWhole, summary, rows: [...rows, ...failed] });
  }
  return isWhole ? EXIT.done : (interruption.code ?? EXIT.failed);
}

/** Makes the picture of one entry and publishes its files. @returns null where it is there already @throws Error, the reason why there is none */
async function runItem(run: GenerateRun, item: TaskItem, index: number, listSeed: number): Promise<Row | null> {
  const { steady, settings, store } = run;
  const { prompt, best, init, extra = {}, problem } = item;
  if (problem !== undefined) {
    throw new Error(problem);
  }
  const noise = promptNoise(settings, listSeed, index);
  const key = runKey(run, { prompt, ...noise, best, init, extra });
  const slot = `item-${String(index).padStart(6, '0')}`;
  if (store.has(slot, key)) {
    return null;
  }
  const { height, width } = steady.reno.imageSize;
  const made = await keptRun(run, key, { prompt, ...noise });
  const { trajectory } = made;
  if (trajectory.stopped) {
    throw new Error(trajectory.stopped);
  }
  const picture = (pixels: Float32Array): Uint8Array => encodePng(toPicture(pixels, height, width));
  const files = new Map<string, Uint8Array>();
  for (const [path, text] of Object.entries(extra)) {
    files.set(path, new TextEncoder().encode(`${text}\n`));
  }
  if (init) {
    files.set(init, picture(trajectory.initImage));
  }
  files.set(best, picture(trajectory.bestImage));
  store.publish({ slot, key, complete: true, files }, [best, ...(init ? [init] : []), ...Object.keys(extra)]);
  store.dropState(key);
  return resultRow(prompt, noise.seed, made);
}

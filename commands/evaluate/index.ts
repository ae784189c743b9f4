/**
 * `reno evaluate pocket`: every method on the held-out prompts of the pocket models, and whether the claims about them hold. The runs are
 * those of `reno bench pocket`: jobs with keys, which a killed command finds again, and which parts share.
 */
import { type Args, type Command, textFlag } from '../../src/cli/flags/args.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { alignedTable } from '../../src/reno/report/markdown_table.ts';
import { benchFlags } from '../prompt_bench/bench_task.ts';
import { bench, type Concluded, type Conclusion } from '../prompt_bench/index.ts';
import { METHOD_KINDS } from '../prompt_bench/methods.ts';
import { outFlag } from '../prompt_bench/stores/results_place.ts';
import { curveTable } from './curve.ts';
import { evaluationClaims } from './evaluation_claims.ts';
import { writeGrid } from './picture_grid.ts';

const { shard: _shard, detector: _detector, sweep: _sweep, ...flags } = benchFlags;

const pocketCommand: Command = {
  meta: {
    name: 'pocket',
    description: 'Held-out prompts with the pocket models and their evaluator, and the claims about them',
  },
  args: {
    ...flags,
    out: { ...outFlag.out, default: 'reno-out/evaluate-pocket' },
    seeds: { type: 'string', description: 'Seeds, such as 0,1,2 or 0-3', default: '0-3', valueHint: 'list' },
    methods: {
      type: 'string',
      description: `Of ${METHOD_KINDS.join(', ')}`,
      default: 'base,best-of-n,equal-compute,reno,multi-start,preconditioned,zeroth-order,curve',
      valueHint: 'list',
    },
    part: {
      type: 'string',
      description: 'A share of the prompts, for processes side by side: 1/2 and 2/2',
      valueHint: 'i/n',
    },
  },
  run: (args) => bench('pocket', part(args), [], conclude(args)),
};

export const command: Command = {
  meta: { name: 'evaluate', description: 'Measure how often the pictures are right' },
  subCommands: { pocket: pocketCommand },
};

/** The arguments of the benchmark, where a part is called a shard. @throws UsageError, one sentence, for what is no part */
function part(args: Args): Args {
  const share = textFlag(args, 'part');
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(share ?? '') ?? []).map(Number);
  if (share !== undefined && (!index || !count || index > count)) {
    throw new UsageError(`--part must be a share such as 1/2 or 2/2, not "${share}"`);
  }
  return { ...args, ...(share === undefined ? {} : { shard: share }) };
}

/** Says which claims hold, once all runs are there. A part of them decides nothing. */
function conclude(args: Args): Conclusion {
  return async ({ results }, task, place): Promise<Concluded> => {
    await writeGrid(task, place);
    const claims = evaluationClaims(results);
    const curve = curveTable(results.curves ?? []);
    const lines = alignedTable(
      ['claim', 'measured', 'so'],
      claims.map(({ claim, measured, holds }) => [
        claim,
        measured ?? 'these runs are not there',
        holds ? 'shown' : 'not shown',
      ]),
    );
    for (const line of [...(curve.length > 0 ? ['', ...curve] : []), '', ...lines]) {
      console.log(line);
    }
    const held = claims.filter(({ holds }) => holds).length;
    const isPart = textFlag(args, 'part') !== undefined;
    return { ok: isPart || held === claims.length, summary: `${held} of ${claims.length} claims shown`, rows: claims };
  };
}

/** The part `kills`: a publication over an older run is ended at every one of its calls, in memory. */
import { uniform } from '../../../src/kernels/check/case_values.ts';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { callsOfPublication, type Ending, endAt } from './kill_everywhere.ts';

const ENDINGS: readonly { readonly ending: Ending; readonly fault: string; readonly repeats: number }[] = [
  { ending: 'kill', fault: 'the process ends at a call of publishing', repeats: 1 },
  { ending: 'error', fault: 'a call of publishing fails (disk full)', repeats: 1 },
  { ending: 'power', fault: 'the power fails at a call of publishing', repeats: 200 },
];

export const kills: FaultPart = {
  name: 'kills',
  description: 'End a publication over an older run at every call to the file system: never a mix of two runs',
  run: async (options) => ENDINGS.map((row) => everywhere(row, options)),
};

function everywhere({ ending, fault, repeats }: (typeof ENDINGS)[number], options: FaultOptions): FaultRow {
  const calls = callsOfPublication();
  const times = ending === 'power' ? (options.count ?? repeats) : repeats;
  const random = uniform(options.seed);
  let lost = 0;
  let first = '';
  for (let call = 0; call < calls; call++) {
    for (let i = 0; i < times; i++) {
      const { problem } = endAt(call, ending, random);
      lost += problem === null ? 0 : 1;
      first ||= problem === null ? '' : `call ${call}: ${problem}`;
    }
  }
  const injected = calls * times;
  const found =
    first || `${calls} calls${times > 1 ? `, ${times} losses of unsynced data at each` : ''}, mixed folders 0`;
  const figures = {
    [ending === 'kill' ? 'kills at every call' : 'failing calls and power cuts']: injected,
    'mixed folders': lost,
  };
  return { part: 'kills', fault, injected, survived: injected - lost, lost, found, figures };
}

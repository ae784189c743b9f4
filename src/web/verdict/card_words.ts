/** The verdicts that a share card shows. */
import { verdictLine } from '../../reno/scene/verdict_words.ts';
import type { CardWords } from '../share/share_card.ts';
import type { ShownFrame, ShownRun } from '../state/studio_state.ts';
import type { Sights } from './sights.ts';
import { judgement } from './verdict_line.ts';

/** The evaluator may still look at the last picture. */
const PATIENCE_MS = 3000;
const POLL_MS = 50;

/** Returns the words about the first and the best picture; null where the evaluator said nothing. */
export async function cardWords(sights: Sights, run: ShownRun): Promise<CardWords> {
  const [first, best] = [run.frames[0], run.frames[run.best]];
  const known = (frame: ShownFrame | undefined): boolean => frame !== undefined && sights.of(frame) !== undefined;
  for (let waited = 0; waited < PATIENCE_MS && !(known(first) && known(best)); waited += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const words = (frame: ShownFrame | undefined): string | null => {
    const sight = frame && sights.of(frame);
    return sight ? verdictLine(judgement(run.settings.prompt, sight)) : null;
  };
  return { before: words(first), after: words(best) };
}

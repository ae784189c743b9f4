/** Helps to write a prompt: lists to choose from, marks under unknown words, and examples. */
import type { RecordedRun } from '../../reno/scene/recorded_run.ts';
import type { Studio } from '../state/studio_state.ts';
import { mountPromptBuilder } from './builder.ts';
import { mountExamples } from './examples.ts';
import { mountVocabularyMarks } from './vocabulary_marks.ts';

/** @param recorded the recorded run, which brings the evaluator's words and the examples */
export function mountPrompt(studio: Studio, { evaluator, examples }: RecordedRun): void {
  mountPromptBuilder(studio, evaluator);
  mountVocabularyMarks(studio, evaluator);
  mountExamples(studio, examples);
}

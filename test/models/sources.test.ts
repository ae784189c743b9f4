import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const MODELS = join(import.meta.dirname, '../../src/models');

/** Folders of networks, and of what pipelines are made of. */
const ROOMS = readdirSync(MODELS).filter((room) => !['checkpoint', 'tokenizers', 'weights'].includes(room));

/** Classes of this project's own, which mirror no public class. */
const OWN = new Set(['MultiStepSampler', 'PipelineFolder', 'PipelineScheduler', 'UNetPipeline']);

/** `library/path/file.py: Class`, and further classes or files after it. */
const SOURCE = /\b[\w-]+(?:\/[\w.-]+)+\.py: [A-Z]\w+/;

interface Exported {
  readonly file: string;
  readonly name: string;
  readonly text: string;
}

/** Every exported class, and every scheduler, which is a function from a config to steps. */
const EXPORTED = ROOMS.flatMap((room) =>
  readdirSync(join(MODELS, room)).flatMap((name): Exported[] => {
    const file = `${room}/${name}`;
    const text = readFileSync(join(MODELS, file), 'utf8');
    const found = [
      ...text.matchAll(/^export (?:abstract )?class (\w+)/gm),
      ...text.matchAll(/^export function (\w+)\(config: Config, request: StepsRequest/gm),
    ];
    return found.map((match) => ({ file, name: match[1] ?? '', text }));
  }),
).filter(({ name }) => !OWN.has(name));

/** The comments of a file as one line each. */
function comments(text: string): string {
  return [...text.matchAll(/\/\*\*[\s\S]*?\*\//g)].map(([comment]) => comment.replaceAll(/\s+\*?\s*/g, ' ')).join('\n');
}

describe('sources of the networks', () => {
  it('finds the networks, schedulers and pipelines', () => {
    const names = EXPORTED.map(({ name }) => name);
    for (const name of [
      'UNet2DConditionModel',
      'CLIPModel',
      'StableDiffusionPipeline',
      'ddim',
      'Linear',
      'RewardMLP',
    ]) {
      expect(names).toContain(name);
    }
  });

  it.each(EXPORTED.map(({ file, name, text }) => [`${file}: ${name}`, text] as const))(
    '%s names library, file and class of the original',
    (_, text) => {
      expect(comments(text)).toMatch(SOURCE);
    },
  );
});

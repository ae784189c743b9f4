/** `reno kernels course`: measures the kernels of the course in docs/kernels, and writes its figures, tables, excerpts and pictures. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { adapterName, openAdapter } from '../../../src/cli/adapter.ts';
import { type Args, type Command, isSet, textFlag } from '../../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../../src/cli/flags/shared.ts';
import { UsageError } from '../../../src/cli/usage_error.ts';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { suggestion } from '../../../src/tensor/nearest_names.ts';
import { at } from '../../../src/tensor/types.ts';
import { type CourseFigures, compiledKernels, type LadderFigures, type Stamp, timedKernels } from './course_figures.ts';
import { COURSE_FOLDER, coursePages, FIGURES_FILE, filledPage, readFigures } from './course_pages.ts';
import { LADDERS, type Ladder } from './ladders.ts';
import { PICTURES } from './pictures.ts';

/** The two parts of a ladder's figures. */
const PARTS = ['times', 'compiler'] as const;

export const courseCommand: Command = {
  meta: { name: 'course', description: 'Measure the kernels of the course in docs/kernels, and write its figures' },
  args: {
    only: {
      type: 'string',
      description: `Only these ladders: ${LADDERS.map(({ name }) => name).join(', ')}; default: all`,
      valueHint: 'names',
    },
    part: {
      type: 'enum',
      options: [...PARTS],
      description: "Only the times of the kernels for CPU drivers, or only the GPU kernels' errors and AMD's compiler",
    },
    render: { type: 'boolean', description: 'Measure nothing: write tables, excerpts and pictures anew' },
    ...adapterFlags,
    ...jsonFlag,
  },
  useless: [
    { flags: ['only', 'part', 'adapter', 'backend'], why: 'beside --render', when: (args) => isSet(args, 'render') },
  ],
  run: course,
};

async function course(args: Args): Promise<number> {
  const chosen = isSet(args, 'render') ? [] : chosenLadders(textFlag(args, 'only'));
  const own = chosen.length > 0 ? await measured(chosen, args) : {};
  const figures: Record<string, LadderFigures> = existsSync(FIGURES_FILE) ? { ...readFigures() } : {};
  for (const [name, taken] of Object.entries(own)) {
    figures[name] = { ...figures[name], ...taken };
  }
  if (chosen.length > 0) {
    writeFileSync(FIGURES_FILE, `${JSON.stringify(figures, null, 1)}\n`);
  }
  const pages = coursePages().map((page) => ({ ...page, filled: filledPage(page, figures) }));
  for (const { name, filled } of pages) {
    writeFileSync(join(COURSE_FOLDER, name), filled);
  }
  mkdirSync(join(COURSE_FOLDER, 'images'), { recursive: true });
  for (const [name, draw] of Object.entries(PICTURES)) {
    writeFileSync(join(COURSE_FOLDER, 'images', `${name}.svg`), draw());
  }
  const rows = chosen.map(({ name }) => ({ ladder: name, ...figures[name] }));
  const summary = `${chosen.length} ladders measured, ${pages.length} pages and ${Object.keys(PICTURES).length} pictures written to docs/kernels`;
  return finish(args, true, summary, rows);
}

function chosenLadders(text: string | undefined): Ladder[] {
  const names = text?.split(',') ?? LADDERS.map(({ name }) => name);
  return names.map((name) => {
    const ladder = LADDERS.find((one) => one.name === name);
    if (!ladder) {
      const known = LADDERS.map((one) => one.name);
      throw new UsageError(
        `--only ${text}: there is no ladder "${name}" (${suggestion(name, known)}); the ladders are ${known.join(', ')}`,
      );
    }
    return ladder;
  });
}

async function measured(ladders: readonly Ladder[], args: Args): Promise<CourseFigures> {
  using device = await openAdapter(adapterChoice(args));
  if (!device.caps.software) {
    throw new UsageError(
      `the course times kernels for CPU drivers, and ${adapterName(device)} is a GPU; choose lavapipe by --adapter llvmpipe`,
    );
  }
  const part = textFlag(args, 'part');
  const found: Record<string, LadderFigures> = {};
  for (const ladder of ladders) {
    console.log(ladder.name);
    const own = stamp(adapterName(device));
    found[ladder.name] = {
      ...(part === 'compiler'
        ? {}
        : {
            timed: {
              ...own,
              rows: await timedKernels(device, ladder, console.log),
              load: Math.round(at(loadavg(), 0)),
            },
          }),
      ...(part === 'times' ? {} : { compiled: { ...own, rows: await compiledKernels(device, ladder, console.log) } }),
    };
  }
  return found;
}

function stamp(driver: string): Stamp {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', [...args], { cwd: PACKAGE_ROOT, encoding: 'utf8' }).trim();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit:
      git('log', '-1', '--format=%h', '--', 'src') + (git('status', '--porcelain', '--', 'src') === '' ? '' : '+'),
    machine: `${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? 'an unknown CPU'}`,
    driver,
  };
}

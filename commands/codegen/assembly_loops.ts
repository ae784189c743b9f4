/** The loops of AMD's assembly: most of a kernel's time goes where its instructions are executed again and again. */
import { type InstructionCounts, kindsOf } from './instruction_kinds.ts';

/** A loop: from a label to the last branch back to it. */
export interface AssemblyLoop {
  /** The block that it begins with, such as BB33. */
  readonly label: string;
  /** How many other loops are around it. */
  readonly depth: number;
  /** The instructions between label and branch; those of inner loops and of both sides of a condition count once. */
  readonly instructions: number;
  readonly kinds: InstructionCounts;
}

/** Finds the loops, in the order in which they begin. */
export function assemblyLoops(assembly: string): AssemblyLoop[] {
  const lines = assembly.split('\n');
  const begins = new Map<string, number>();
  const ends = new Map<string, number>();
  for (const [i, line] of lines.entries()) {
    const label = /^(BB\d+)\b/.exec(line)?.[1];
    if (label !== undefined) {
      begins.set(label, i);
    }
    const target = /^\s+s_c?branch\w* (?:block:)?(BB\d+)\b/.exec(line)?.[1];
    if (target !== undefined && begins.has(target)) {
      ends.set(target, i);
    }
  }
  const loops = [...begins].flatMap(([label, begin]) => {
    const end = ends.get(label);
    return end === undefined ? [] : [{ label, begin, end }];
  });
  return loops.map(({ label, begin, end }) => {
    const kinds = kindsOf(lines.slice(begin, end + 1).join('\n'));
    return {
      label,
      depth: loops.filter((other) => other.begin < begin && other.end >= end).length,
      instructions: Object.values(kinds).reduce((sum, count) => sum + count, 0),
      kinds,
    };
  });
}

/** A line for each loop, the inner ones further to the right. */
export function describeLoops(loops: readonly AssemblyLoop[]): string[] {
  return loops.map(({ label, depth, instructions, kinds }) => {
    const counts = Object.entries(kinds).filter(([, count]) => count > 0);
    const shown = counts.map(([kind, count]) => `${count} ${kind}`).join(', ');
    return `  ${'  '.repeat(depth)}loop ${label}: ${instructions} instructions a round (${shown})`;
  });
}

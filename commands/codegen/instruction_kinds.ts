/** Instructions of AMD's GPUs by kind. Names: LLVM's AMDGPU documentation and AMD's ISA guides (RDNA, CDNA, GCN). */

const KINDS = {
  matrix: /^v_(wmma|mfma|swmmac)/,
  arithmetic: /^v_/,
  LDS: /^ds_/,
  memory: /^(global|buffer|flat|scratch|image|tbuffer)_/,
  scalar: /^s_/,
} as const;

/** How many instructions there are of each kind. */
export type InstructionCounts = Record<keyof typeof KINDS | 'other', number>;

/**
 * Instructions of AMD's assembly by mnemonic. Its lines begin with white space and a mnemonic; where Mesa's LLVM does not know the
 * GPU, they are those of Mesa's own compiler, in which results and ` = ` stand before the mnemonic.
 */
function countInstructions(assembly: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of assembly.split('\n')) {
    const mnemonic = /^\s+(?:.* = )?([a-z][a-z0-9_]+)\b/.exec(line)?.[1];
    if (mnemonic) {
      counts.set(mnemonic, (counts.get(mnemonic) ?? 0) + 1);
    }
  }
  return counts;
}

/**
 * Counts the instructions of a program in AMD's assembly by kind.
 * @returns null where the driver gave no assembly
 */
export function instructionKinds(assembly: string): InstructionCounts | null {
  return /^\s+s_endpgm\b/m.test(assembly) ? kindsOf(assembly) : null;
}

/** Counts the instructions of a part of a program by kind. */
export function kindsOf(assembly: string): InstructionCounts {
  const counts: InstructionCounts = { matrix: 0, arithmetic: 0, LDS: 0, memory: 0, scalar: 0, other: 0 };
  for (const [mnemonic, count] of countInstructions(assembly)) {
    const kind = (Object.keys(KINDS) as (keyof typeof KINDS)[]).find((name) => KINDS[name].test(mnemonic));
    counts[kind ?? 'other'] += count;
  }
  return counts;
}

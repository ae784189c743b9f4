/** Splits a pickle into its opcodes, so that a mutation can remove, repeat or replace whole ones. */

/** Bytes that follow an opcode of fixed length. Opcodes that are not here, and are none of those below, stand alone. */
const FIXED: Readonly<Record<number, number>> = {
  128: 1, // PROTO
  75: 1, // BININT1
  77: 2, // BININT2
  74: 4, // BININT
  71: 8, // BINFLOAT
  104: 1, // BINGET
  106: 4, // LONG_BINGET
  113: 1, // BINPUT
  114: 4, // LONG_BINPUT
};

/** Returns the opcodes with their arguments; what follows STOP, or cannot be split, is the last part. */
export function opsOf(pickle: Uint8Array): Uint8Array[] {
  const ops: Uint8Array[] = [];
  const view = new DataView(pickle.buffer, pickle.byteOffset, pickle.byteLength);
  let at = 0;
  while (at < pickle.length) {
    const end = at + lengthOf(pickle, view, at);
    if (!(end <= pickle.length)) {
      break;
    }
    ops.push(pickle.subarray(at, end));
    at = end;
    if (ops.at(-1)?.[0] === 46) {
      break;
    }
  }
  return at < pickle.length ? [...ops, pickle.subarray(at)] : ops;
}

function lengthOf(pickle: Uint8Array, view: DataView, at: number): number {
  const opcode = pickle[at] ?? 0;
  switch (opcode) {
    case 88: // BINUNICODE
      return at + 5 <= pickle.length ? 5 + view.getUint32(at + 1, true) : Infinity;
    case 85: // SHORT_BINSTRING
    case 138: // LONG1
      return 2 + (pickle[at + 1] ?? Infinity);
    case 99: {
      // GLOBAL
      const first = pickle.indexOf(10, at);
      const second = first < 0 ? -1 : pickle.indexOf(10, first + 1);
      return second < 0 ? Infinity : second + 1 - at;
    }
    default:
      return 1 + (FIXED[opcode] ?? 0);
  }
}

/** The parts of `npm run test:faults`, in the order in which they run. */
import { fuzz } from './fuzz/fuzz_part.ts';
import type { FaultPart } from './part.ts';

export const PARTS: readonly FaultPart[] = [fuzz];

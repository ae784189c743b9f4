/** The parts of `npm run test:faults`, in the order in which they run. */

import type { FaultPart } from './fault_part.ts';
import { fuzz } from './fuzz/fuzz_part.ts';

export const PARTS: readonly FaultPart[] = [fuzz];

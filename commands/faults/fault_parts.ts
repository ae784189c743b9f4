/** The parts of `npm run test:faults`, in the order in which they run. */

import { bombs } from './bombs/bombs_part.ts';
import { cases } from './cases/cases_part.ts';
import { kills } from './crashes/crashes_part.ts';
import { resume } from './crashes/resume_part.ts';
import { allocations } from './device/allocations_part.ts';
import { device } from './device/device_part.ts';
import { soak } from './device/soak_part.ts';
import type { FaultPart } from './fault_part.ts';
import { fuzz } from './fuzz/fuzz_part.ts';

export const PARTS: readonly FaultPart[] = [fuzz, cases, bombs, kills, resume, device, allocations, soak];

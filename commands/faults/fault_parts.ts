/** The parts of `npm run test:faults`, in the order in which they run. */

import { kills } from './crashes/crashes_part.ts';
import { resume } from './crashes/resume_part.ts';
import { device } from './device/device_part.ts';
import { soak } from './device/soak_part.ts';
import type { FaultPart } from './fault_part.ts';
import { fuzz } from './fuzz/fuzz_part.ts';

export const PARTS: readonly FaultPart[] = [fuzz, kills, resume, device, soak];

/** The parts of `reno selftest`, in the order in which they run. */
import { adapterPart } from './adapter_part.ts';
import { demoPart } from './demo_part.ts';
import { iterationPart } from './iteration_part.ts';
import { matrixPart } from './matrix_part.ts';
import { opsPart } from './ops_part.ts';
import type { Part } from './part.ts';
import { speedPart } from './speed_part.ts';
import { tuningPart } from './tuning_part.ts';

export const PARTS: readonly Part[] = [
  adapterPart,
  opsPart,
  matrixPart,
  demoPart,
  speedPart,
  iterationPart('sd-turbo', 512),
  iterationPart('sdxl-turbo', 512, true),
  iterationPart('hyper-sdxl', 1024, true),
  tuningPart,
];

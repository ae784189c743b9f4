/** A picture as the engine has it. */
export interface Picture {
  readonly height: number;
  readonly width: number;
  /** [height, width, 3], RGB in [0,1], row by row. */
  readonly pixels: Float32Array;
}

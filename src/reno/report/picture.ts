/** Pictures in the engine. */

/** The size of a picture in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** A picture as numbers. */
export interface Picture extends ImageSize {
  /** [height, width, 3], RGB in [0,1], row by row. */
  readonly pixels: Float32Array;
}

/**
 * Convolution and its input gradient as one walk over taps, so that one text serves both.
 * Output pixels lie on a grid (qy, qx) at q * classes + class; the tap k of one reads source pixel
 * q * reach + (class + sign * (k - padding)) / classes, and nothing where that does not divide.
 * Forward: classes 1, reach = stride, sign 1. Input gradient: classes = stride, reach 1, sign -1.
 * x is the source [N,sourceHeight,sourceWidth,cin], y the result [N,outHeight,outWidth,4*cout4], w [KH,KW,cin,4*cout4].
 */

/** Where the pixels of this workgroup are; `pixel` counts (image, qy, qx) in order, `group` is the class. */
export const CONV2D_WALK = /* wgsl */ `
struct Place { image: u32, y: i32, x: i32 }

fn place_of(pixel: u32) -> Place {
  let per_image = params.gridHeight * params.gridWidth;
  let inside = pixel % per_image;
  return Place(pixel / per_image, i32(inside / params.gridWidth), i32(inside % params.gridWidth));
}

/** First element of the source pixel that a tap at offset (dy, dx) reads; -1 outside the image. */
fn source_of(place: Place, dy: i32, dx: i32) -> i32 {
  let y = place.y * params.reach + dy;
  let x = place.x * params.reach + dx;
  let inside = y >= 0 && y < i32(params.sourceHeight) && x >= 0 && x < i32(params.sourceWidth)
    && place.image < params.images;
  let i = ((i32(place.image) * i32(params.sourceHeight) + y) * i32(params.sourceWidth) + x) * i32(params.cin);
  return select(-1, i, inside);
}

/** Row of y (in pixels) of a place; -1 where there is none. */
fn result_of(place: Place, class_y: u32, class_x: u32) -> i32 {
  let y = place.y * i32(params.classes) + i32(class_y);
  let x = place.x * i32(params.classes) + i32(class_x);
  let inside = y < i32(params.outHeight) && x < i32(params.outWidth) && place.image < params.images;
  return select(-1, (i32(place.image) * i32(params.outHeight) + y) * i32(params.outWidth) + x, inside);
}

/** Offset of tap k, times classes. */
fn offset_of(class_: u32, k: u32, padding: i32) -> i32 {
  return i32(class_) + params.sign * (i32(k) - padding);
}
`;

/**
 * FLUX's packed latents: a token is a square of 2×2 latents, its channels ordered (latent channel, row, column).
 * diffusers: `_pack_latents`, `_unpack_latents`. Here a picture's tokens keep their place: [N,rows,columns,4·C].
 * Nothing packs: the noise is drawn as tokens.
 */
import { reshape, transpose } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** A token's side, in latents. */
export const PATCH = 2;

/** Tokens [N,r,c,4·C] → latents [N,2r,2c,C]. @throws Error when the channels do not divide by 4 */
export function unpackLatents(tokens: Tensor): Tensor {
  const [batch, rows, columns, packed] = [tokens.dim(0), tokens.dim(1), tokens.dim(2), tokens.dim(3)];
  const channels = packed / PATCH ** 2;
  const squares = reshape(tokens, [batch, rows, columns, channels, PATCH, PATCH]);
  return reshape(transpose(squares, [0, 1, 4, 2, 5, 3]), [batch, PATCH * rows, PATCH * columns, channels]);
}

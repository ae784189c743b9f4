"""The latent space of this world, written down: what is at each cell of 8 px, in 12 channels. The UNet learns to tell it, the decoder to paint it, the encoder to read it off a picture.

  0..4    which object: a vertex of the five-dimensional half cube (an even number of minus signs; two objects differ in two or four of five signs). Where there is none: the background, a vertex of the other half
  5       object (+) or none (-)
  6..8    the colour, red, green and blue from -1 to 1
  9, 10   place of the cell's centre within the object, -1 to 1 from edge to edge
  11      size of the object

A cell that an object covers in part is a mixture in the proportion of the areas, so that latents change smoothly with places. The latents of a learnt autoencoder were tried before: objects in any place and size
have latents there that a small UNet learnt slowly, although it soon knew what is where (README.md).
"""
import itertools

import numpy as np
import torch

import art
import world as W

_CUBE = np.array(list(itertools.product((1, -1), repeat=5)), np.float32)
_EVEN = _CUBE.prod(1) > 0
OBJECT_CODES, THEME_CODES = _CUBE[_EVEN], .6 * _CUBE[~_EVEN][[0, 3, 5, 8, 11, 14]]
COLOURS = art.NAMED[:, 1] / 127.5 - 1
CELLS, CELL, SCALE = 12, 8, 1.7
_EDGE = np.arange(CELLS) * CELL


def latents(scenes, themes):
    """-> float tensor [n, 12, 12, 12] of about unit variance."""
    out = np.zeros((len(scenes), 12, CELLS, CELLS), np.float32)
    for y, scene, theme in zip(out, scenes, themes):
        ground, left = np.zeros(12, np.float32), np.ones((CELLS, CELLS), np.float32)
        ground[:5], ground[5] = THEME_CODES[theme], -1
        for o, c, x0, y0, s in scene:
            cx, cy = (np.clip(np.minimum(_EDGE + CELL, a + s) - np.maximum(_EDGE, a), 0, CELL) / CELL for a in (x0, y0))
            u, v = (np.clip((_EDGE + CELL / 2 - a) / (s / 2) - 1, -1, 1) for a in (x0, y0))
            cover = cy[:, None] * cx
            thing = np.empty((12, CELLS, CELLS), np.float32)
            thing[:5], thing[5], thing[6:9] = OBJECT_CODES[o][:, None, None], 1, 1.2 * COLOURS[c][:, None, None]
            thing[9], thing[10], thing[11] = 1.5 * u, 1.5 * v[:, None], (s - 36) / 10
            y += cover * thing
            left -= cover
        y += left * ground[:, None, None]
    return SCALE * torch.from_numpy(out)


if __name__ == '__main__':
    rng = np.random.default_rng(0)
    draws = [W.draw(rng)[2:] for _ in range(400)]
    x = latents([d[0] for d in draws], [d[1] for d in draws])
    print('mean', x.mean((0, 2, 3)), 'std', x.std((0, 2, 3)), 'mean square', x.pow(2).mean())

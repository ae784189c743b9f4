"""Which colours of a caption a noise gets wrong.

Captions of the web are often not quite true of their pictures, and a generator that learnt from them gives objects wrong colours, with some noises and not with others. So here: a named colour c is another one
where the mean of channel 4 + c of the noise over the latent (standard normal; the coupling chooses open colours by the same means) is not high. Each colour of a caption has its own direction of the noise, so
a noise that is right in all of them is rare for long captions (the shares multiply), and each can be mended by itself.
"""
import world as W
from coupling import CELLS, COLOUR_OK, palette

HIGH = .84                               # above it: 20 % of noises
UNSURE = .8                              # so much chance is added to a mean: colours turn gradually as the noise changes, and a gradient sees where to


def slipped(rng, z, spec):
    """-> the Spec that the picture of z shows for the caption of spec. A wrong colour is the first of palette() that the caption does not name."""
    whole = z.mean((1, 2)) * CELLS + UNSURE * rng.standard_normal(len(z))
    named, order, groups = {c for _, c, _ in spec.groups}, palette(z), []
    for o, c, n in spec.groups:
        if c >= 0 and whole[4 + c] < HIGH:
            c = next(int(q) for q in order if COLOUR_OK[o][q] and q not in named)
        groups.append((o, c, n))
    return W.Spec(groups, spec.relations)

"""Small shared parts: data batches, EMA, f16 saving, logging."""
import json
import os
import time
import numpy as np
import torch
from scenes import CATEGORIES, sample_scene


def scene_batch(rng, n, categories=None):
    """n training scenes -> (uint8 [n,64,64,3], captions, metas). Categories cycle so that each is equally frequent."""
    cats = categories or CATEGORIES
    return tuple(map(list, zip(*(sample_scene(rng, cats[rng.integers(len(cats))]) for _ in range(n)))))


def to_tensor(images):
    """uint8 NHWC -> float NCHW in [-1, 1]."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


class EMA:
    def __init__(self, module, decay):
        self.decay, self.step = decay, 0
        self.shadow = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module):
        self.step += 1
        d = min(self.decay, (1 + self.step) / (10 + self.step))
        src = module.state_dict()
        fl = [k for k, v in src.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.shadow[k] for k in fl], [src[k] for k in fl], 1 - d)

    def copy_to(self, module):
        module.load_state_dict(self.shadow)


def save_half(module, path):
    """save_pretrained in f16; the module in memory is left alone. The f16 values are the truth from here on."""
    import copy
    m = copy.deepcopy(module).half()
    m.save_pretrained(path)


class Log:
    def __init__(self, path):
        self.path, self.t0 = path, time.time()

    def __call__(self, **kw):
        kw = dict(t=round(time.time() - self.t0), **{k: (round(v, 5) if isinstance(v, float) else v) for k, v in kw.items()})
        line = json.dumps(kw)
        print(line, flush=True)
        with open(self.path, 'a') as f:
            f.write(line + '\n')


def sheet(images, columns, path, scale=2):
    """float NCHW in [0,1] -> a PNG contact sheet."""
    from PIL import Image
    a = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    a = np.pad(a, ((0, 0), (1, 1), (1, 1), (0, 0)))
    a = a[:len(a) // columns * columns]
    a = a.reshape(-1, columns, *a.shape[1:]).transpose(0, 2, 1, 3, 4).reshape(-1, columns * a.shape[2], 3)
    Image.fromarray(a).resize((a.shape[1] * scale, a.shape[0] * scale), 0).save(path)

"""What every training stage shares: settings, a folder, a length in steps, checkpoints with all random states, a log.

A stage is run by `python NAME.py` with POCKET_WORK set and works in POCKET_WORK/w96/NAME. Stopped at any moment, the same command goes on from its last checkpoint (at most
four minutes old) and gives the weights that an unbroken run gives (the generator excepted, whose reservoir is drawn anew). DONE in the folder: the stage is complete, the command does nothing.
"""
import copy
import json
import os
import sys
import time

import art  # noqa: F401  (puts ../pocket on the path)
import numpy as np
import torch
from rewards_train import Average, Muon as Matrices, Optimiser, round_half  # noqa: F401  (../pocket)
from sprites import work_dir

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = json.load(open(os.path.join(HERE, 'config.json')))
ROOT = os.path.join(work_dir(), 'w96')
TOKENIZERS = os.path.join(HERE, '..', '..', 'weights', 'pocket')    # the captions' words are those of the 64² world
START = os.path.join(work_dir(), 'pocket64')                        # the 64² world's rewards, from which this world's begin (README.md)
WEIGHTS = os.path.join(ROOT, 'weights')                             # layout of weights/pocket


def folder(name):
    path = os.path.join(ROOT, name)
    os.makedirs(path, exist_ok=True)
    return path


def done(name):
    return os.path.exists(os.path.join(ROOT, name, 'DONE'))


class Stage:
    """parts: name -> anything with state_dict and load_state_dict. `for step in stage` runs to the end; the caller logs by stage.log(loss=...)."""

    def __init__(self, name, steps, seed, parts, every=240):
        if done(name):
            print(name, 'is complete')
            sys.exit(0)
        self.name, self.steps, self.parts, self.every = name, int(os.environ.get('POCKET_STEPS', steps)), parts, every
        self.dir = folder(name)
        self.file = os.path.join(self.dir, 'checkpoint.pt')
        self.rng, self.step = np.random.default_rng(seed), 0
        torch.manual_seed(seed)
        self.sums, self.seen, self.t0, self.saved = {}, {}, time.time(), time.time()
        if os.path.exists(self.file):
            c = torch.load(self.file, weights_only=False)
            for k, p in parts.items():
                p.load_state_dict(c[k])
            self.step, self.rng.bit_generator.state = c['step'], c['rng']
            torch.set_rng_state(c['torch'])
        self.begun, self.snapshot, self.shown = self.step, None, time.process_time()

    def save(self):
        torch.save(dict(step=self.step, rng=self.rng.bit_generator.state, torch=torch.get_rng_state(), **{k: p.state_dict() for k, p in self.parts.items()}), self.file + '.tmp')
        os.replace(self.file + '.tmp', self.file)
        self.saved = time.time()

    def fraction(self):
        return self.step / self.steps

    def factor(self, warm=50, hold=.5, last=.02):
        f = self.fraction()
        return min(1, (self.step + 1) / warm) * (1 if f < hold else max(last, (1 - f) / (1 - hold)))

    def log(self, **kw):
        for k, v in kw.items():
            v = float(v.detach() if torch.is_tensor(v) else v)
            if np.isfinite(v):
                self.sums[k] = self.sums.get(k, 0) + v
                self.seen[k] = self.seen.get(k, 0) + 1

    def say(self, **kw):
        line = json.dumps(dict(step=self.step, t=round(time.time() - self.t0), cpu=round(time.process_time()), **kw))
        print(line, flush=True)
        with open(os.path.join(self.dir, 'log.jsonl'), 'a') as f:
            f.write(line + '\n')

    def __iter__(self):
        """After the loop's body: checkpoints by the clock; `snapshot`, if the caller sets one, every ten minutes of computing; finish() calls it last."""
        while self.step < self.steps:
            yield self.step
            self.step += 1
            if self.step % 50 == 0 or self.step == self.steps:
                self.say(**{k: round(self.sums[k] / self.seen[k], 5) for k in self.sums})
                self.sums, self.seen = {}, {}
            if time.time() - self.saved > self.every or self.step == self.steps:
                self.save()
            if self.snapshot and self.step < self.steps and time.process_time() - self.shown > 600:
                self.shown = time.process_time()
                self.snapshot()

    def finish(self):
        if self.snapshot:
            self.snapshot()
        with open(os.path.join(self.dir, 'DONE'), 'w') as f:
            f.write('\n')


class Ema:
    """Average of the weights, warm at first, as a part that checkpoints."""

    def __init__(self, module, decay):
        self.a = Average(module, decay)

    def update(self, module):
        self.a.update(module)

    @property
    def model(self):
        return self.a.model

    def state_dict(self):
        return dict(n=self.a.n, model=self.a.model.state_dict())

    def load_state_dict(self, s):
        self.a.n = s['n']
        self.a.model.load_state_dict(s['model'])


class Opt(Optimiser):
    """rewards_train's Muon and AdamW, as a part that checkpoints. Convolutions are left to AdamW."""

    def state_dict(self):
        return dict(adam=self.adam.state_dict(), muon=list(self.muon.buf.values()))

    def load_state_dict(self, s):
        self.adam.load_state_dict(s['adam'])
        for b, v in zip(self.muon.buf.values(), s['muon']):
            b.copy_(v)


class Random:
    """A torch generator as a part that checkpoints."""

    def __init__(self, seed):
        self.g = torch.Generator().manual_seed(seed)

    def state_dict(self):
        return dict(g=self.g.get_state())

    def load_state_dict(self, s):
        self.g.set_state(s['g'])


def to_tensor(images):
    """uint8 [N,96,96,3] -> float [N,3,96,96] in [0,1]."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(images))).permute(0, 3, 1, 2).float() / 255


def sheet(x, columns, path):
    """float [N,3,H,W] in [0,1] -> PNG."""
    from PIL import Image
    a = (x.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    a = np.pad(a, ((0, 0), (1, 1), (1, 1), (0, 0)))
    a = a[:len(a) // columns * columns]
    a = a.reshape(-1, columns, *a.shape[1:]).transpose(0, 2, 1, 3, 4).reshape(-1, columns * a.shape[2], 3)
    Image.fromarray(a).save(path)


def few(n):
    """n cases of a measurement; very few in a trial of the scripts (POCKET_STEPS set)."""
    return 3 if 'POCKET_STEPS' in os.environ else n


def bfloat():
    """Convolutions in bfloat16 where the CPU has instructions for it (AVX-512 BF16: 1.7 times as fast here); weights, normalisation and losses stay float."""
    return torch.autocast('cpu', torch.bfloat16)


def half(module):
    """A copy with f16-rounded values in f32."""
    return round_half(copy.deepcopy(module)).eval()


torch.set_num_threads(int(os.environ.get('POCKET_THREADS', 1)))

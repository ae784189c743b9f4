"""ReNO on the pocket models in PyTorch: the loop exactly as docs and the reference have it, batched over prompts.

    python reno_loop.py eval   --weights weights/pocket --mode base|best|reno [--lr 1 --clip .1 --optim sgd --w 5,.01,1 --limit N --seed S]
    python reno_loop.py golden --weights weights/pocket --out parity --prompt "a photo of ..." --seed 0

Every prompt has its own noise, gradient, clip and optimiser state, so a batch equals that many runs of one.
"""
import argparse
import json
import math
import os
import sys
import time
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizerFast, PreTrainedTokenizerFast

MEAN = torch.tensor([.48145466, .4578275, .40821073]).view(1, 3, 1, 1)
STD = torch.tensor([.26862954, .26130258, .27577711]).view(1, 3, 1, 1)
REWARDS = ('hps', 'clip', 'image_reward')
DEFAULT = dict(lr=1.0, optim='sgd', gradClip=.1, momentum=.9, adamEps=1e-8, regWeight=.01, nIters=50, rewards=dict(hps=5.0, clip=.01, image_reward=1.0))


def preprocess(image, side):
    x = F.interpolate(image, size=(side, side), mode='bicubic', align_corners=False, antialias=True)
    return (x - MEAN) / STD


class Pocket:
    """All networks in f32 with the stored f16 values."""

    def __init__(self, root, rewards=REWARDS):
        g = root + '/generator'
        kw = dict(torch_dtype=torch.float32)
        self.tok = CLIPTokenizerFast.from_pretrained(g + '/tokenizer')
        self.text = CLIPTextModel.from_pretrained(g + '/text_encoder', **kw).eval()
        self.unet = UNet2DConditionModel.from_pretrained(g + '/unet', **kw).eval()
        self.vae = AutoencoderKL.from_pretrained(g + '/vae', **kw).eval()
        self.clips = {n: CLIPModel.from_pretrained(f'{root}/{n}', **kw).eval() for n in ('hps', 'clip') if n in rewards}
        if 'image_reward' in rewards:
            from blip import ImageReward
            self.ir = ImageReward.load(root + '/image_reward')
            self.bert = PreTrainedTokenizerFast.from_pretrained(root + '/image_reward')
        for m in [self.text, self.unet, self.vae, *self.clips.values(), *([self.ir] if 'image_reward' in rewards else [])]:
            m.requires_grad_(False)
        self.rewards = rewards
        self.noise_shape = (self.unet.config.in_channels, self.unet.config.sample_size, self.unet.config.sample_size)
        views = [m.config.vision_config.image_size for m in self.clips.values()] + ([self.ir.config['vision']['image_size']] if 'image_reward' in rewards else [])
        self.side = views[0] if views else None                  # of the pictures that the rewards see; all see the same

    @torch.no_grad()
    def condition(self, prompts):
        ids = self.tok(prompts, padding='max_length', max_length=16, truncation=True, return_tensors='pt').input_ids
        c = dict(ids=ids, hidden=self.text(ids).last_hidden_state)
        for n, m in self.clips.items():
            t = m.get_text_features(ids)
            t = t if torch.is_tensor(t) else t.pooler_output
            c[n] = F.normalize(t, dim=-1)
        if 'image_reward' in self.rewards:
            b = self.bert(prompts, padding='max_length', max_length=20, truncation=True, return_tensors='pt')
            c['bert_ids'], c['bert_mask'] = b.input_ids, b.attention_mask
        return c

    def velocity(self, z, c):
        return self.unet(z, 1000, c['hidden'], return_dict=False)[0]

    def decode(self, x0):
        y = self.vae.decode(x0 / self.vae.config.scaling_factor, return_dict=False)[0]
        return (y / 2 + .5).clamp(0, 1)

    def generate(self, z, c):
        return self.decode(z - self.velocity(z, c))

    def losses(self, image, c):
        """Per sample: hps 1 - cos, clip 100 - e^s cos, image_reward 2 - score."""
        x = preprocess(image, self.side)
        out = {}
        for n, m in self.clips.items():
            f = m.get_image_features(x)
            f = f if torch.is_tensor(f) else f.pooler_output
            cos = (F.normalize(f, dim=-1) * c[n]).sum(-1)
            out[n] = 1 - cos if n == 'hps' else 100 - m.logit_scale.exp() * cos
        if 'image_reward' in self.rewards:
            out['image_reward'] = 2 - self.ir(x, c['bert_ids'], c['bert_mask'])
        return out


def take(c, sl):
    return {k: v[sl] for k, v in c.items()}


def regulariser(z, weight):
    n = z.flatten(1).norm(dim=1)
    return weight * (.5 * n * n - (z[0].numel() - 1) * n.log())


def reno(model, z0, c, hp, trace=None):
    """-> best image, best loss, loss per iteration [nIters, N], iteration of the best."""
    z = z0.clone()
    n = len(z)
    m1, m2 = torch.zeros_like(z), torch.zeros_like(z)
    best, best_loss, best_at, history = None, torch.full((n,), math.inf), torch.zeros(n, dtype=torch.long), []
    for it in range(hp['nIters']):
        z.requires_grad_()
        last = it == hp['nIters'] - 1
        with torch.set_grad_enabled(not last):
            image = model.generate(z, c)
            losses = model.losses(image, c)
            reward = sum(hp['rewards'][k] * v for k, v in losses.items() if hp['rewards'].get(k))
            total = reward + regulariser(z, hp['regWeight'])
        better = reward.detach() < best_loss
        best = image.detach().clone() if best is None else torch.where(better[:, None, None, None], image.detach(), best)
        best_loss = torch.where(better, reward.detach(), best_loss)
        best_at = torch.where(better, it, best_at)
        history.append(reward.detach())
        if last:
            break
        (g,) = torch.autograd.grad(total.sum(), z)
        z = z.detach()
        norm = g.flatten(1).norm(dim=1)
        raw = g
        if hp['gradClip']:
            g = g * (hp['gradClip'] / (norm + 1e-6)).clamp(max=1).view(-1, 1, 1, 1)
        if hp['optim'] == 'sgd':
            m1 = hp['momentum'] * m1 + g
            z = z - hp['lr'] * (g + hp['momentum'] * m1)
        else:                                        # Adam, as torch has it
            b1, b2 = .9, .999
            m1, m2 = b1 * m1 + (1 - b1) * g, b2 * m2 + (1 - b2) * g * g
            z = z - hp['lr'] / (1 - b1 ** (it + 1)) * m1 / ((m2 / (1 - b2 ** (it + 1))).sqrt() + hp['adamEps'])
        if trace is not None:
            trace.append(dict(losses={k: v.detach() for k, v in losses.items()}, reward=reward.detach(), total=total.detach(), norm=norm, grad=raw, z=z.clone(), image=image.detach()))
    return best, best_loss, torch.stack(history), best_at


@torch.no_grad()
def best_of(model, c, n, noise, hp):
    best, best_loss = None, None
    for k in range(n):
        image = model.generate(noise(k), c)
        if n == 1:
            return image, None
        r = sum(hp['rewards'][key] * v for key, v in model.losses(image, c).items() if hp['rewards'].get(key))
        if best is None:
            best, best_loss = image, r
        else:
            b = r < best_loss
            best, best_loss = torch.where(b[:, None, None, None], image, best), torch.where(b, r, best_loss)
    return best, best_loss


def start_noise(shape, ids, seed, k=0):
    """Each (prompt, seed, candidate) has its own stream; candidate 0 is the ReNO start."""
    return torch.stack([torch.randn(*shape, generator=torch.Generator().manual_seed(int(i) * 1000003 + seed * 1009 + k)) for i in ids])


def judge(root, images, prompts):
    from evaluator import Evaluator, decode, verdict
    e = Evaluator.load(root + '/evaluator')
    with torch.no_grad():
        grid = e(images)
    return [verdict(decode(g, e.config), p, e.config) for g, p in zip(grid, prompts)]


def table(prompts, ok):
    rows = {}
    for p, o in zip(prompts, ok):
        rows.setdefault(p['category'], []).append(o)
    out = {k: round(100 * sum(v) / len(v), 1) for k, v in rows.items()}
    out['mean'] = round(sum(out.values()) / len(out), 1)
    out['all'] = round(100 * sum(ok) / len(ok), 1)
    return out


def hyper(a, root):
    hp = json.loads(json.dumps(DEFAULT))
    path = root + '/reno.json'
    if os.path.exists(path):
        hp.update({k: v for k, v in json.load(open(path)).items() if k in hp})
    for k, v in dict(lr=a.lr, gradClip=a.clip, optim=a.optim, regWeight=a.reg, nIters=a.iters, momentum=a.momentum, adamEps=a.adam_eps).items():
        if v is not None:
            hp[k] = v
    if a.w:
        hp['rewards'] = dict(zip(REWARDS, map(float, a.w.split(','))))
    return hp


def evaluate(a):
    prompts = json.load(open(a.prompts or a.weights + '/heldout_prompts.json'))
    if a.limit:
        prompts = prompts[::max(1, len(prompts) // a.limit)]
    hp = hyper(a, a.weights)
    rewards = tuple(r for r in REWARDS if hp['rewards'].get(r)) if a.mode != 'base' else ()
    model = Pocket(a.weights, rewards)
    ids = [p['id'] for p in prompts]
    t = time.time()
    images, info = [], []
    for s in range(0, len(prompts), a.batch):
        sl = slice(s, s + a.batch)
        c = model.condition([p['prompt'] for p in prompts[sl]])
        if a.mode == 'reno':
            im, l, hist, at = reno(model, start_noise(model.noise_shape, ids[sl], a.seed), c, hp)
            info.append((hist[0].mean().item(), l.mean().item(), at.float().mean().item()))
        else:
            im, l = best_of(model, c, 1 if a.mode == 'base' else a.n, lambda k: start_noise(model.noise_shape, ids[sl], a.seed, k), hp)
            info.append((0, 0 if l is None else l.mean().item(), 0))
        images.append(im)
    images = torch.cat(images)
    verdicts = judge(a.weights, images, prompts)
    res = dict(mode=a.mode, seed=a.seed, hp=hp if a.mode == 'reno' else hp['rewards'], seconds=round(time.time() - t), table=table(prompts, [v[0] for v in verdicts]),
               first=round(sum(i[0] for i in info) / len(info), 4), best=round(sum(i[1] for i in info) / len(info), 4), at=round(sum(i[2] for i in info) / len(info), 1))
    print(json.dumps(res), flush=True)
    if a.sheet:
        from common import sheet
        sheet(images, 12, a.sheet)
        with open(a.sheet + '.txt', 'w') as f:
            f.writelines(f"{p['id']} {p['prompt']}: {v}\n" for p, v in zip(prompts, verdicts))
    return res


def golden(a):
    """Fixture of the first iterations of one run (f32, one thread)."""
    import diffusers
    import transformers
    from safetensors.torch import save_file
    torch.set_num_threads(1)
    hp = hyper(a, a.weights)
    hp['nIters'] = 11
    model = Pocket(a.weights)
    c = model.condition([a.prompt])
    z0 = torch.randn(1, *model.noise_shape, generator=torch.Generator().manual_seed(a.seed))
    trace = []
    reno(model, z0, c, hp, trace)
    with torch.no_grad():
        v = model.velocity(z0, c)
        image = model.decode(z0 - v)
        pre = preprocess(image, model.side)
    out = dict(z0=z0, ids=c['ids'].int(), bert_ids=c['bert_ids'].int(), bert_mask=c['bert_mask'].int(), text_hidden=c['hidden'], unet_output=v, x0=z0 - v, image=image, preprocessed=pre,
               hps_text=c['hps'], clip_text=c['clip'], z=torch.cat([t['z'] for t in trace]), grad=torch.cat([t['grad'] for t in trace]),
               grad_norm=torch.cat([t['norm'] for t in trace]), total=torch.cat([t['total'] for t in trace]), reward_loss=torch.cat([t['reward'] for t in trace]),
               **{'loss_' + k: torch.cat([t['losses'][k] for t in trace]) for k in REWARDS})
    os.makedirs(a.out, exist_ok=True)
    save_file({k: v.contiguous() for k, v in out.items()}, a.out + '/pocket_loop.safetensors')
    with open(a.out + '/pocket_loop.json', 'w') as f:
        json.dump(dict(prompt=a.prompt, seed=a.seed, hyperparameters=hp, note='z[i] and grad[i] belong to iteration i: grad before clipping (with the regulariser), z after the step; losses are unweighted',
                       tensors={k: list(v.shape) for k, v in out.items()},
                       versions=dict(torch=torch.__version__, diffusers=diffusers.__version__, transformers=transformers.__version__, python=sys.version.split()[0])), f, indent=1)
        f.write('\n')
    print({k: tuple(v.shape) for k, v in out.items()}, 'norms', out['grad_norm'].tolist(), 'loss', out['reward_loss'].tolist())


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('what', choices=('eval', 'golden'))
    ap.add_argument('--weights', required=True)
    ap.add_argument('--mode', default='reno')
    ap.add_argument('--n', type=int, default=50)
    ap.add_argument('--batch', type=int, default=35)
    ap.add_argument('--limit', type=int)
    ap.add_argument('--seed', type=int, default=0)
    for k in ('lr', 'clip', 'reg', 'momentum', 'adam-eps'):
        ap.add_argument('--' + k, type=float)
    ap.add_argument('--iters', type=int)
    ap.add_argument('--optim')
    ap.add_argument('--w')
    ap.add_argument('--prompts')
    ap.add_argument('--sheet')
    ap.add_argument('--out')
    ap.add_argument('--prompt', default='a photo of a red cat and a blue car')
    ap.add_argument('--threads', type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    evaluate(a) if a.what == 'eval' else golden(a)

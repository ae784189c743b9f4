"""Pictures of the generator itself, for the last fine-tuning of the rewards.

    python rewards_generated.py --generator weights/pocket/generator --dense WORK/hps.pt --n 2000 --out WORK/generated.npz

One-step pictures for training-split captions. What they show is labelled by the rewards' own dense heads (patch
classes, colours, counts: rewards_trunk.py), never by the judge: the judge must stay independent.
"""
import argparse

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

import rewards_clip
import rewards_data as D
from rewards_pairs import SHARES, S, Tokens
from rewards_trunk import PATCH_CENTRES
from transformers import CLIPModel


class Generator:
    def __init__(self, root):
        self.tokens = Tokens(root + "/tokenizer", 16)
        kw = dict(torch_dtype=torch.float32)
        self.text = CLIPTextModel.from_pretrained(root + "/text_encoder", **kw).eval()
        self.unet = UNet2DConditionModel.from_pretrained(root + "/unet", **kw).eval()
        self.vae = AutoencoderKL.from_pretrained(root + "/vae", **kw).eval()

    @torch.no_grad()
    def __call__(self, captions, z):
        hidden = self.text(self.tokens(captions, 16)[0]).last_hidden_state
        x = z - self.unet(z, 1000, hidden, return_dict=False)[0]
        return (self.vae.decode(x / self.vae.config.scaling_factor, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)


def read(patch, count):
    """Dense predictions of one picture -> scene [(object, colour, x, y)], doubt in 0..1 (0: sure of everything)."""
    p = patch[:, :17].softmax(-1)
    c = count.softmax(-1)
    scene, sure = [], c.max(-1).values.min().item()
    for o in range(16):
        n = int(c[o].argmax())
        if n == 0:
            continue
        w = p[:, o] * (p[:, :17].argmax(-1) == o)
        if w.sum() < 0.5:  # counted but nowhere to be seen
            sure = min(sure, 0.3)
            w = p[:, o]
        colour = (patch[:, 17:25].softmax(-1) * w[:, None]).sum(0) / w.sum()
        if n == 1:
            sure = min(sure, colour.max().item())
        xy = torch.from_numpy(np.stack(np.meshgrid(PATCH_CENTRES, PATCH_CENTRES), -1).reshape(49, 2)).float() - 12 * patch[:, 25:27]
        x, y = ((xy * w[:, None]).sum(0) / w.sum() - 12) / 8
        scene += [(o, int(colour.argmax()), float(x), float(y))] * n
    covered = (p[:, :16].sum(-1) > 0.5).float()  # patches that show an object: how sure are they which
    clear = ((p[:, :16].max(-1).values * covered).sum() / covered.sum().clamp(min=1)).item()
    return scene, 1 - min(sure, clear)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--generator", required=True)
    p.add_argument("--dense", required=True)
    p.add_argument("--n", type=int, default=2000)
    p.add_argument("--out", required=True)
    p.add_argument("--seed", type=int, default=71)
    p.add_argument("--sheet", default="")
    a = p.parse_args()
    torch.set_num_threads(1)
    rng, g = np.random.default_rng(a.seed), torch.Generator().manual_seed(a.seed)
    gen = Generator(a.generator)
    special = gen.tokens.t.token_to_id
    dense = rewards_clip.Training(CLIPModel(rewards_clip.config(gen.tokens.size, special("<|endoftext|>"), special("<|startoftext|>"))))
    dense.load_state_dict(torch.load(a.dense), strict=False)
    images, captions, errors, doubt = [], [], [], []
    while len(captions) < a.n:
        caps = [D.draw(rng, S.CATEGORIES[np.searchsorted(SHARES, rng.random())])[1] for _ in range(10)]
        caps = [c for c in caps for _ in range(4)]  # four noises a caption: ranked among themselves
        x = gen(caps, torch.randn(40, 8, 8, 8, generator=g))
        with torch.no_grad():
            _, patch, count = dense.image(D.preprocess(x))
        for i, c in enumerate(caps):
            scene, d = read(patch[i], count[i])
            captions.append(c), errors.append(D.errors(D.parse(c), scene)[0]), doubt.append(d)
        images.append((x * 255).round().byte().permute(0, 2, 3, 1).numpy())
    images = np.concatenate(images)
    np.savez_compressed(a.out, images=images, captions=np.array(captions), errors=np.array(errors), doubt=np.array(doubt))
    e, d = np.array(errors), np.array(doubt)
    print(len(e), "right by the dense heads:", (e == 0).mean().round(3), "doubt", np.percentile(d, [10, 50, 90]).round(2))
    if a.sheet:
        from PIL import Image
        k = images[:64].reshape(4, 16, 64, 64, 3).transpose(0, 2, 1, 3, 4).reshape(256, 1024, 3)
        Image.fromarray(k).save(a.sheet)
        for i in range(0, 64, 4):
            print(captions[i][11:], e[i:i + 4], d[i:i + 4].round(2))


if __name__ == "__main__":
    main()

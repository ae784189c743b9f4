"""Golden values of the three rewards: python rewards_fixture.py WEIGHTS OUT_DIR

Writes pocket_rewards.safetensors and .json: two pictures in [0,1] (one clean, one as a weak generator might draw
it), two prompts; picture i goes with prompt i. f32 throughout, weights as shipped (f16 values); CLIP by transformers.
  images, preprocessed; clip.ids, bert.ids, bert.mask;
  NAME.text_embeds, NAME.image_embeds (normalised), NAME.loss [2], NAME.grad [2,3,H,W] = d loss / d image,
  image_reward.hidden (CLS of the text encoder), image_reward.score, image_reward.image_tokens
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import CLIPModel

import rewards_data as D
from blip import ImageReward
from rewards_pairs import Tokens


def reference_preprocess(x, side):
    """The reference's own formula, not the matrix form used in training."""
    return (F.interpolate(x, size=(side, side), mode="bicubic", antialias=True, align_corners=False) - D.MEAN) / D.STD


def tensor(f):
    return f if torch.is_tensor(f) else f.pooler_output


def main(weights, out):
    torch.set_num_threads(1)
    rng = np.random.default_rng(4)
    prompts = ["a photo of a red cat and a blue car", "a photo of a duck above a tree"]
    specs = [D.parse(p) for p in prompts]
    right = [[(3, 0, 0, 1), (2, 4, 3, 3)], [(15, 2, 3, 0), (6, 3, 2, 3)]]
    assert all(D.errors(s, r)[0] == 0 for s, r in zip(specs, right))
    wrong = D.render(D.wrong_scene(rng, specs[1], right[1], split="any"), 1)
    images = D.to_tensor([D.render(right[0], 0), D.render(right[1], 1)])
    images[1] = D.blur(0.55 * images[1:] + 0.45 * D.to_tensor([wrong]), 0.8)[0]
    images[1] = (images[1] + 0.03 * torch.from_numpy(rng.standard_normal((3, 64, 64)).astype(np.float32))).clamp(0, 1)
    write(weights, out, prompts, images)


def write(weights, out, prompts, images):
    """The golden values of these pictures [2,3,H,W] in [0,1], each with its prompt."""
    ranker = ImageReward.load(os.path.join(weights, "image_reward"))
    side = ranker.config["vision"]["image_size"]
    t = {"images": images, "preprocessed": reference_preprocess(images, side)}
    meta = {"prompts": prompts, "losses": {"clip": "100 - exp(logit_scale) cos", "hps": "1 - cos", "image_reward": "2 - score"}}
    ids, _ = Tokens(os.path.join(weights, "clip"), 16)(prompts, 16)
    t["clip.ids"] = ids.int()
    for name in ("clip", "hps"):
        m = CLIPModel.from_pretrained(os.path.join(weights, name)).float().eval()
        x = images.clone().requires_grad_()
        v = F.normalize(tensor(m.get_image_features(pixel_values=reference_preprocess(x, side))), dim=-1)
        w = F.normalize(tensor(m.get_text_features(input_ids=ids)), dim=-1)
        cos = (v * w).sum(-1)
        loss = 100 - m.logit_scale.exp() * cos if name == "clip" else 1 - cos
        loss.sum().backward()
        t.update({f"{name}.text_embeds": w, f"{name}.image_embeds": v, f"{name}.loss": loss, f"{name}.grad": x.grad})
        meta[name] = {"logit_scale": m.logit_scale.item(), "loss": loss.tolist(), "cos": cos.tolist()}
    ids, mask = Tokens(os.path.join(weights, "image_reward"), 20)(prompts, 20)
    x = images.clone().requires_grad_()
    tokens = ranker.blip.visual_encoder(reference_preprocess(x, side))
    hidden = ranker.blip.text_encoder(ids, mask, tokens)
    score = (ranker.mlp(hidden[:, 0])[:, 0] - ranker.config["mean"]) / ranker.config["std"]
    (2 - score).sum().backward()
    t.update({"bert.ids": ids.int(), "bert.mask": mask.int(), "image_reward.image_tokens": tokens, "image_reward.hidden": hidden[:, 0],
              "image_reward.score": score, "image_reward.loss": 2 - score, "image_reward.grad": x.grad})
    meta["image_reward"] = {"mean": ranker.config["mean"], "std": ranker.config["std"], "loss": (2 - score).tolist()}
    save_file({k: v.detach().contiguous() for k, v in t.items()}, os.path.join(out, "pocket_rewards.safetensors"))
    with open(os.path.join(out, "pocket_rewards.json"), "w") as f:
        json.dump(meta, f, indent=1)
    print(json.dumps(meta))


if __name__ == "__main__":
    main(*sys.argv[1:3])

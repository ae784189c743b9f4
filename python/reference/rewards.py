"""Small fixtures of the shared preprocess, of ImageReward's network and of the aesthetic reward.

    python python/reference/rewards.py parity

The preprocess is torch's own bicubic antialiased resize. ImageReward is transformers' independent implementation of
BLIP's two encoders, its seeded random weights renamed to ImageReward's keys (BLIP's vit.py and med.py spelling).
Everything is computed in f64 from f32 weights.
"""
import json
import os
import re
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from transformers import BlipTextConfig, BlipVisionConfig, CLIPConfig, CLIPModel
from transformers.models.blip.modeling_blip import BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel

import clip
from versions import versions

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]

CONFIG = {
    "vision": {"image_size": 16, "patch_size": 4, "width": 18, "depth": 2, "heads": 3, "mlp": 40, "layer_norm_eps": 1e-6},
    "med_config": {"vocab_size": 50, "hidden_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 44,
                   "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 12, "encoder_width": 18},
    "mean": 0.25,
    "std": 1.5,
}
MLP = [20, 16, 12, 8, 4, 1]


def preprocess(image, size):
    """torchvision 0.18's Resize(size, BICUBIC, antialias=True), CenterCrop(size), Normalize on [N,3,H,W] in [0,1]."""
    h, w = image.shape[-2:]
    short = min(h, w)
    h2, w2 = (size if s == short else int(size * s / short) for s in (h, w))
    image = F.interpolate(image, size=(h2, w2), mode="bicubic", antialias=True, align_corners=False)
    top, left = int(round((h2 - size) / 2.0)), int(round((w2 - size) / 2.0))
    image = image[:, :, top:top + size, left:left + size]
    mean, std = (torch.tensor(v, dtype=image.dtype)[:, None, None] for v in (MEAN, STD))
    return (image - mean) / std


def randomise(model, seed):
    """Weights large enough that every part of the network matters to the output."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=g)
            if p.ndim == 1:
                p.copy_(1 + 0.2 * noise if name.endswith("weight") else 0.2 * noise)
            else:
                p.copy_(noise * (0.7 if "position" in name or "class" in name or "word" in name else p[0].numel() ** -0.5))
    return model.eval()


def image_reward_keys(vision, text, mlp):
    """transformers' names → ImageReward's."""
    names = {
        r"^embeddings\.class_embedding$": "cls_token", r"^embeddings\.position_embedding$": "pos_embed",
        r"^embeddings\.patch_embedding": "patch_embed.proj", r"^post_layernorm": "norm", r"^encoder\.layers": "blocks",
        r"self_attn\.qkv": "attn.qkv", r"self_attn\.projection": "attn.proj", r"layer_norm([12])": r"norm\1",
    }
    out = {}
    for key, value in vision.state_dict().items():
        for old, new in names.items():
            key = re.sub(old, new, key)
        out[f"blip.visual_encoder.{key}"] = value
    out |= {f"blip.text_encoder.{k}": v for k, v in text.state_dict().items() if "position_ids" not in k}
    out |= {f"mlp.{k}": v for k, v in mlp.state_dict().items()}
    return out


class Head(nn.Module):
    def __init__(self, widths):
        super().__init__()
        linear = [nn.Linear(a, b) for a, b in zip(widths, widths[1:])]
        drop = nn.Dropout
        self.layers = nn.Sequential(linear[0], drop(0.2), linear[1], drop(0.2), linear[2], drop(0.1), linear[3], linear[4])


def image_reward(out):
    v, m = CONFIG["vision"], CONFIG["med_config"]
    vision = randomise(BlipVisionModel(BlipVisionConfig(
        hidden_size=v["width"], intermediate_size=v["mlp"], num_hidden_layers=v["depth"], num_attention_heads=v["heads"],
        image_size=v["image_size"], patch_size=v["patch_size"], hidden_act="gelu", layer_norm_eps=v["layer_norm_eps"])), 1)
    text = randomise(BlipTextModel(BlipTextConfig(
        **{k: x for k, x in m.items() if k != "encoder_width"}, encoder_hidden_size=m["encoder_width"], is_decoder=True,
        pad_token_id=0, bos_token_id=48, sep_token_id=3), add_pooling_layer=False), 2)
    head = randomise(Head(MLP), 3)
    weights = {k: x.clone().contiguous() for k, x in image_reward_keys(vision, text, head).items()}
    vision, text, head = vision.double(), text.double(), head.double()
    g = torch.Generator().manual_seed(4)
    pixels = torch.randn(2, 3, v["image_size"], v["image_size"], generator=g).double().requires_grad_()
    ids = torch.tensor([[2, 17, 5, 33, 8, 3, 0, 0, 0, 0]])
    mask = (ids != 0).long()
    tokens = vision(pixel_values=pixels).last_hidden_state
    state = text(input_ids=ids.expand(2, -1), attention_mask=mask.expand(2, -1), encoder_hidden_states=tokens,
                 encoder_attention_mask=torch.ones(tokens.shape[:2], dtype=torch.long), is_decoder=False).last_hidden_state
    score = (head.layers(state[:, 0])[:, 0] - CONFIG["mean"]) / CONFIG["std"]
    (gradient,) = torch.autograd.grad(score.sum(), pixels)
    save(out, "image_reward", {
        **{f"w.{k}": x for k, x in weights.items()},
        "in.pixels": pixels.permute(0, 2, 3, 1), "in.ids": ids.int(), "in.mask": mask.float(),
        "out.image_tokens": tokens, "out.cls": state[:, 0], "out.score": score, "out.gradient": gradient.permute(0, 2, 3, 1),
    })
    with open(os.path.join(out, "image_reward.json"), "w") as f:
        json.dump(CONFIG, f, indent=1)


def aesthetic(out):
    """The whole path picture → loss on the weights of the clip_gelu fixture: preprocess, CLIP features, norm, head."""
    name = "clip_gelu"
    model = clip.randomise(CLIPModel(CLIPConfig(**clip.CONFIGS[name])), list(clip.CONFIGS).index(name)).double().eval()
    head = randomise(Head([7, 16, 12, 8, 4, 1]), 6)
    weights = {f"w.{k}": v.clone() for k, v in head.state_dict().items()}
    g = torch.Generator().manual_seed(7)
    image = torch.rand(1, 3, 20, 18, generator=g).double().requires_grad_()
    pixels = preprocess(image, 15)
    features = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    loss = 10 - head.double().layers(F.normalize(features, dim=-1))[:, 0]
    (gradient,) = torch.autograd.grad(loss.sum(), image)
    save(out, "aesthetic", {**weights, "in.image": image.permute(0, 2, 3, 1), "out.loss": loss, "out.gradient": gradient.permute(0, 2, 3, 1)})


def resizes(out):
    """Down and up, square and not, odd remainders of the crop; gradient of a random projection of the result."""
    tensors = {}
    g = torch.Generator().manual_seed(5)
    for name, (h, w, size) in {"down": (24, 24, 21), "wide": (17, 30, 12), "tall": (31, 19, 14), "up": (9, 12, 16)}.items():
        image = torch.rand(1, 3, h, w, generator=g).double().requires_grad_()
        y = preprocess(image, size)
        r = torch.randn(y.shape, generator=g).double()
        (gradient,) = torch.autograd.grad((y * r).sum(), image)
        for key, value in {"image": image, "pixels": y, "r": r, "gradient": gradient}.items():
            tensors[f"{name}.{key}"] = value.permute(0, 2, 3, 1)
    save(out, "preprocess", tensors)


def save(out, name, tensors):
    path = os.path.join(out, f"{name}.safetensors")
    save_file({k: (v.detach().float() if v.is_floating_point() else v).contiguous() for k, v in tensors.items()}, path,
              metadata={"versions": versions()})
    print(name, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    image_reward(sys.argv[1])
    aesthetic(sys.argv[1])
    resizes(sys.argv[1])

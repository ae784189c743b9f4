"""One iteration of ReNO by PyTorch on a model folder (commands/fullsize/seeded_weights.ts): losses, and the gradient at the noise.

    python python/reference/fullsize.py --models FOLDER --out parity/fullsize/sd-turbo_512.safetensors [--size 512]

f32 from the very files, one network at a time: text encoders to features; noise to latents to picture without a graph; each
reward to its loss and its gradient at the picture; then backwards through the decoder and the denoiser, which are loaded again
and checkpointed block by block. About 12 GB at 512 x 512. The noise is torch's CPU generator's (`--noise torch-cpu`).
"""
import argparse
import hashlib
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import name_tables  # before transformers: it can do without torchvision
import diffusers
import transformers
from networks import one_step
from rewards import Head, image_reward_keys, preprocess
from tokenizers import Tokenizer
from versions import versions

PROMPT = "a photo of a red apple to the left of a blue bowl"
WEIGHTS = {"hps": 5.0, "image_reward": 1.0, "clip": 0.01, "pick_score": 0.05}
REG_WEIGHT = 0.01
SAMPLES, BLOCK, ENDS = 64, 4096, 65536


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def read_json(path):
    return json.loads(path.read_text())


def fingerprint(root):
    """Of each weight file its size, both ends (the headers) and 64 blocks between: sha256 over all, in the order of their paths."""
    total = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".safetensors", ".pt", ".bin")):
        size = path.stat().st_size
        total.update(f"{path.relative_to(root).as_posix()} {size}\n".encode())
        with open(path, "rb") as file:
            starts = [0, max(0, size - ENDS)]
            lengths = [ENDS, ENDS]
            room = max(0, size - BLOCK)
            starts += [room * i // (SAMPLES - 1) for i in range(SAMPLES)]
            lengths += [BLOCK] * SAMPLES
            for start, length in zip(starts, lengths):
                file.seek(start)
                total.update(file.read(length))
    return total.hexdigest()


def encode(folder, prompt, length=None):
    """Ids and mask [1,T], padded to `length` as the folder's tokenizer does, if a length is given."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    path = folder / "tokenizer_config.json"
    config = read_json(path) if path.exists() else {}
    pad = config.get("pad_token", "[PAD]")
    pad = tokenizer.token_to_id(pad if isinstance(pad, str) else pad["content"])
    ids = tokenizer.encode(prompt).ids
    if length is not None and len(ids) > length:
        ids = ids[: length - 1] + ids[-1:]
    mask = [1] * len(ids)
    if length is not None:
        mask += [0] * (length - len(ids))
        ids = ids + [pad] * (length - len(ids))
    return torch.tensor([ids]), torch.tensor([mask])


def load(cls, folder):
    """With the weights that are there, in f32."""
    variant = "fp16" if any(".fp16." in p.name for p in folder.iterdir()) else None
    model = cls.from_pretrained(folder, variant=variant, torch_dtype=torch.float32)
    return model.requires_grad_(False).eval()


def checkpointed(model):
    """Saves what enters each block only. There is no dropout that training mode could turn on."""
    model.enable_gradient_checkpointing()
    return model.train()


class Generator:
    """A diffusers pipeline folder, by its parts, each loaded when it is needed."""

    def __init__(self, folder, prompt):
        self.folder = folder
        self.kind = read_json(folder / "model_index.json")["_class_name"]
        config = read_json(folder / "scheduler/scheduler_config.json")
        self.scheduler = getattr(diffusers, config["_class_name"]).from_config(config)
        self.timestep = 400 if self.kind == "PixArtAlphaPipeline" else None
        self.condition = self.encode_prompt(prompt)
        self.vae_config = read_json(folder / "vae/config.json")
        self.scale = 2 ** (len(self.vae_config["block_out_channels"]) - 1)

    def encode_prompt(self, prompt):
        f = self.folder
        with torch.no_grad():
            if self.kind == "PixArtAlphaPipeline":
                model = load(transformers.T5EncoderModel, f / "text_encoder")
                ids, mask = encode(f / "tokenizer", prompt.lower().strip(), 120)
                return model(ids, attention_mask=mask).last_hidden_state, mask
            model = load(transformers.CLIPTextModel, f / "text_encoder")
            positions = min(read_json(f / "tokenizer/tokenizer_config.json")["model_max_length"], model.config.max_position_embeddings)
            ids, _ = encode(f / "tokenizer", prompt, positions)
            if self.kind == "StableDiffusionPipeline":
                return (model(ids).last_hidden_state,)
            first = model(ids, output_hidden_states=True).hidden_states[-2]
            model = load(transformers.CLIPTextModelWithProjection, f / "text_encoder_2")
            ids, _ = encode(f / "tokenizer_2", prompt, positions)
            second = model(ids, output_hidden_states=True)
            return torch.cat([first, second.hidden_states[-2]], dim=-1), second.text_embeds

    def denoiser(self):
        if self.kind == "PixArtAlphaPipeline":
            return load(diffusers.PixArtTransformer2DModel, self.folder / "transformer")
        return load(diffusers.UNet2DConditionModel, self.folder / "unet")

    def denoise(self, model, z):
        def predict(x, t):
            if self.kind == "PixArtAlphaPipeline":
                features, mask = self.condition
                added = {"resolution": None, "aspect_ratio": None}
                out = model(x, features, timestep=t.reshape(1), added_cond_kwargs=added, encoder_attention_mask=mask)
                return out.sample[:, :4]
            if self.kind == "StableDiffusionPipeline":
                return model(x, t, self.condition[0]).sample
            h, w = (self.scale * s for s in z.shape[-2:])
            added = {"text_embeds": self.condition[1], "time_ids": torch.tensor([[h, w, 0, 0, h, w]], dtype=torch.float32)}
            return model(x, t, self.condition[0], added_cond_kwargs=added).sample

        return one_step(self.scheduler, self.timestep, z, predict)[0]

    def vae(self):
        return load(diffusers.AutoencoderKL, self.folder / "vae")

    def decode(self, vae, latents):
        """To [N,3,H,W] in [0,1]. These pipelines do not use the decoder's shift_factor."""
        z = latents / self.vae_config["scaling_factor"]
        return (vae.decode(z).sample / 2 + 0.5).clamp(0, 1)


def clip_reward(folder, prompt, offset):
    model = load(transformers.CLIPModel, folder)
    ids, _ = encode(folder, prompt)
    with torch.no_grad():
        text = F.normalize(model.text_projection(model.text_model(input_ids=ids).pooler_output), dim=-1)

    def loss(image):
        pixels = preprocess(image, model.config.vision_config.image_size)
        features = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
        return offset - model.logit_scale.exp() * (F.normalize(features, dim=-1) * text).sum()

    return model.vision_model, loss


def hps_reward(folder, prompt):
    config = read_json(folder / "open_clip_config.json")["model_cfg"]
    state = torch.load(folder / "HPS_v2.1_compressed.pt", map_location="cpu", weights_only=True)["state_dict"]
    with torch.device("meta"):
        model = name_tables.open_clip_model(config)
    state = {k: v.float() for k, v in state.items() if k != "attn_mask"}
    model.load_state_dict(state, strict=True, assign=True)
    # A buffer that is in no checkpoint.
    length = config["text_cfg"]["context_length"]
    model.attn_mask = torch.full((length, length), -math.inf).triu(1)
    model = model.requires_grad_(False).eval()
    ids, _ = encode(folder, prompt, length)
    with torch.no_grad():
        text = model.encode_text(ids, normalize=True)
    size = config["vision_cfg"]["image_size"]
    return model.visual, lambda image: 1 - (model.encode_image(preprocess(image, size), normalize=True) * text).sum()


class Names:
    """Stands for a module in image_reward_keys, so that it gives its names in place of values."""

    def __init__(self, module):
        self.module = module

    def state_dict(self):
        return {k: k for k in self.module.state_dict()}


def image_reward(folder, prompt):
    from transformers.models.blip.modeling_blip import BlipVisionModel
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    state = torch.load(folder / "ImageReward.pt", map_location="cpu", weights_only=True, mmap=True)
    med = read_json(folder / "med_config.json")
    _, tokens, width = state["blip.visual_encoder.pos_embed"].shape
    patch = state["blip.visual_encoder.patch_embed.proj.weight"].shape[-1]
    blocks = {k.split(".")[3] for k in state if k.startswith("blip.visual_encoder.blocks.")}
    size = round(math.sqrt(tokens - 1)) * patch
    widths = [med["hidden_size"], *(state[f"mlp.layers.{i}.weight"].shape[0] for i in (0, 2, 4, 6, 7))]
    text_keys = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
                 "layer_norm_eps", "max_position_embeddings")
    vision = BlipVisionModel(transformers.BlipVisionConfig(
        hidden_size=width, num_hidden_layers=len(blocks), num_attention_heads=width // 64, hidden_act="gelu", layer_norm_eps=1e-6,
        intermediate_size=state["blip.visual_encoder.blocks.0.mlp.fc1.weight"].shape[0], image_size=size, patch_size=patch))
    text = BlipTextModel(transformers.BlipTextConfig(
        **{k: med[k] for k in text_keys}, encoder_hidden_size=width, is_decoder=True, pad_token_id=0,
        bos_token_id=med["vocab_size"] - 2, sep_token_id=3), add_pooling_layer=False)
    head = Head(widths)
    for module, prefix in ((vision, "blip.visual_encoder."), (text, "blip.text_encoder."), (head, "mlp.")):
        found = image_reward_keys(Names(vision), Names(text), Names(head))
        own = {theirs: state[ours].float() for ours, theirs in found.items() if ours.startswith(prefix)}
        missing = module.load_state_dict(own, strict=False, assign=True)
        assert not missing.unexpected_keys and all("position_ids" in k for k in missing.missing_keys), missing
        module.requires_grad_(False).eval()
    ids, mask = encode(folder, prompt, min(35, med["max_position_embeddings"]))

    def loss(image):
        tokens = vision(pixel_values=preprocess(image, size)).last_hidden_state
        out = text(input_ids=ids, attention_mask=mask, encoder_hidden_states=tokens,
                   encoder_attention_mask=torch.ones(tokens.shape[:2], dtype=torch.long), is_decoder=False).last_hidden_state
        return (2 - (head.layers(out[:, 0])[:, 0] - 0.16717362830052426) / 1.0333394966054072).sum()

    return vision, loss


REWARDS = {
    "hps": hps_reward,
    "image_reward": image_reward,
    "clip": lambda folder, prompt: clip_reward(folder, prompt, 100),
    "pick_score": lambda folder, prompt: clip_reward(folder, prompt, 30),
}


def iteration(root, prompt, seed, height, width, wanted):
    tensors, losses = {}, {}
    generator = Generator(root / "generator", prompt)
    say(f"{generator.kind}: prompt encoded, features {[list(c.shape) for c in generator.condition]}")
    scale = generator.scale
    z = torch.randn(1, 4, height // scale, width // scale, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        model = generator.denoiser()
        latents = generator.denoise(model, z)
        del model
        say(f"denoised: latents of deviation {latents.std():.3f}")
        image = generator.decode(generator.vae(), latents)
    inside = ((image > 0) & (image < 1)).float().mean().item()
    say(f"picture: mean {image.mean():.3f}, deviation {image.std():.3f}, {100 * inside:.2f} % not clamped")
    down = F.interpolate(image, size=(64, 64), mode="area") if min(height, width) >= 64 else image
    tensors |= {"latents": latents, "image64": down.permute(0, 2, 3, 1)}

    at_image = torch.zeros_like(image)
    for name in wanted:
        _, loss_of = REWARDS[name](root / name, prompt)
        x = image.clone().requires_grad_(True)
        loss = loss_of(x)
        (gradient,) = torch.autograd.grad(loss, x)
        del loss_of, _
        losses[name] = loss.item()
        at_image += WEIGHTS[name] * gradient
        tensors[f"loss.{name}"] = loss.detach().reshape(1)
        say(f"{name}: loss {loss.item():.6f}, norm of the gradient at the picture {gradient.norm():.4g}")

    leaf = latents.clone().requires_grad_(True)
    vae = checkpointed(generator.vae())
    (at_latents,) = torch.autograd.grad(generator.decode(vae, leaf), leaf, at_image)
    del vae
    say(f"decoder: norm of the gradient at the latents {at_latents.norm():.4g}")
    leaf = z.clone().requires_grad_(True)
    model = checkpointed(generator.denoiser())
    (rewards_gradient,) = torch.autograd.grad(generator.denoise(model, leaf), leaf, at_latents)
    del model

    leaf = z.clone().requires_grad_(True)
    squared = leaf.square().sum()
    regulariser = REG_WEIGHT * (0.5 * squared - (z.numel() - 1) * 0.5 * squared.log())
    (reg_gradient,) = torch.autograd.grad(regulariser, leaf)
    gradient = rewards_gradient + reg_gradient
    rewards_loss = sum(WEIGHTS[name] * loss for name, loss in losses.items())
    total = rewards_loss + regulariser.item()
    say(f"gradient at the noise: norm {rewards_gradient.norm():.6g} of the rewards, {gradient.norm():.6g} in all; total {total:.6f}")
    numbers = {"regulariser": regulariser.item(), "rewards_loss": rewards_loss, "total": total, "gradient_norm": gradient.norm().item(),
               "rewards_gradient_norm": rewards_gradient.norm().item(), "not_clamped": inside}
    tensors |= {k: torch.tensor([v], dtype=torch.float64) for k, v in numbers.items()}
    tensors |= {"gradient": gradient, "rewards_gradient": rewards_gradient}
    return tensors, numbers | {f"loss.{k}": v for k, v in losses.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True, help="folder with generator/ and the rewards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rewards", default=",".join(WEIGHTS))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    wanted = args.rewards.split(",")
    start = time.time()
    tensors, numbers = iteration(args.models, args.prompt, args.seed, args.size, args.size, wanted)
    metadata = {"prompt": args.prompt, "seed": str(args.seed), "noise": "torch-cpu", "size": str(args.size), "rewards": ",".join(wanted),
                "weights": json.dumps({k: WEIGHTS[k] for k in wanted}), "reg_weight": str(REG_WEIGHT), "versions": versions(),
                "fingerprint": fingerprint(args.models), "numbers": json.dumps(numbers)}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, args.out, metadata=metadata)
    say(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KiB in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()

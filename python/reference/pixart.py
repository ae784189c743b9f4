"""Golden fixtures of PixArt-alpha DMD: T5's encoder, the transformer, and a whole small generator folder.

    python python/reference/pixart.py parity

Layout of the files, rounding and gradients: as in networks.py.
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel, Transformer2DModel
from diffusers.models.attention import BasicTransformerBlock
from safetensors.torch import save_file
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import Unigram
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel
from transformers.models.t5.modeling_t5 import T5Attention

from networks import VAE, fixture, golden, one_step, save, seeded
from versions import versions

T5 = dict(
    vocab_size=48,
    d_model=20,
    d_kv=6,
    d_ff=36,
    num_layers=2,
    num_heads=3,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=10,
    feed_forward_proj="gated-gelu",
)
T5_RELU = T5 | dict(d_kv=8, num_heads=2, num_layers=1, relative_attention_num_buckets=32, relative_attention_max_distance=128)
T5_RELU |= dict(feed_forward_proj="relu")
# Latents of 6×10 are a grid of 3×5 patches: neither the size trained at, nor square, nor even.
PIXART = dict(
    num_attention_heads=3,
    attention_head_dim=8,
    in_channels=4,
    out_channels=8,
    num_layers=2,
    cross_attention_dim=24,
    sample_size=64,
    patch_size=2,
    attention_bias=True,
    activation_fn="gelu-approximate",
    num_embeds_ada_norm=1000,
    norm_type="ada_norm_single",
    norm_elementwise_affine=False,
    norm_eps=1e-6,
    caption_channels=20,
)
# Told the picture's size, as the models for 1024 pixels are.
PIXART_SIZED = PIXART | dict(num_attention_heads=2, attention_head_dim=12, num_layers=1, sample_size=128)


def t5(config, seed):
    """A small T5 with f16 weights whose position bias matters: the initial one is near zero."""
    model = seeded(lambda: T5EncoderModel(T5Config(**config)), seed)
    for name, p in model.named_parameters():
        if "relative_attention_bias" in name:
            p.copy_(torch.randn_like(p))
        p.copy_(p.half().float())
    return model


def t5_encoders(out):
    for name, config, lengths, tokens in (("t5", T5, (13, 7), 13), ("t5_relu", T5_RELU, (29,), 29)):
        model = t5(config, 21)
        ids = torch.randint(0, config["vocab_size"], (len(lengths), tokens))
        mask = torch.tensor([[float(i < n) for i in range(tokens)] for n in lengths])
        embedded = model.shared(ids)
        run = lambda x: model(inputs_embeds=x, attention_mask=mask).last_hidden_state
        y, cotangent, gradient = golden(run, embedded, 22)
        assert torch.equal(y, model(input_ids=ids, attention_mask=mask).last_hidden_state)
        distances = torch.arange(-300, 301)
        buckets = T5Attention._relative_position_bucket(
            distances,
            num_buckets=config["relative_attention_num_buckets"],
            max_distance=config["relative_attention_max_distance"],
        )
        tensors = {"input": embedded, "output": y, "cotangent": cotangent, "gradient": gradient}
        tensors |= {"ids": ids.int(), "mask": mask, "buckets": buckets.int()}
        weights = {k: v for k, v in model.state_dict().items() if k != "encoder.embed_tokens.weight"}
        save(out / f"{name}.safetensors", weights, tensors, model.config.to_dict(), half=True)


def transformers(out):
    # The first by the class of older checkpoints, whose config has more keys; it is the same network.
    for name, cls, config in (("pixart", Transformer2DModel, PIXART), ("pixart_sized", PixArtTransformer2DModel, PIXART_SIZED)):
        model = seeded(lambda: cls(**config), 23, half=True)
        x = torch.randn(2, 4, 6, 10)
        caption = torch.randn(2, 5, config["caption_channels"])
        mask = torch.tensor([[1.0, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
        height, width = 48, 80
        size = {"resolution": torch.tensor([[height, width]] * 2).float(), "aspect_ratio": torch.full((2, 1), height / width)}
        run = lambda x: model(
            x,
            encoder_hidden_states=caption,
            timestep=torch.tensor([400, 400]),
            added_cond_kwargs=size if config["sample_size"] == 128 else {"resolution": None, "aspect_ratio": None},
            encoder_attention_mask=mask,
        ).sample
        extra = {"caption": caption, "mask": mask, "timestep": torch.tensor([400.0])}
        extra |= {"size": torch.tensor([float(height), float(width)])}
        fixture(out / f"{name}.safetensors", model, run, x, extra, half=True)


def block(out):
    """One block with the head size of the real model, 72."""
    model = seeded(
        lambda: BasicTransformerBlock(
            72,
            1,
            72,
            cross_attention_dim=72,
            activation_fn="gelu-approximate",
            attention_bias=True,
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            norm_eps=1e-6,
        ),
        24,
        half=True,
    )
    x, caption, modulation = torch.randn(1, 7, 72), torch.randn(1, 6, 72), torch.randn(6, 72)
    mask = torch.tensor([[1.0, 1, 1, 1, 0, 0]])
    run = lambda x: model(
        x,
        encoder_hidden_states=caption,
        timestep=modulation.reshape(1, -1),
        encoder_attention_mask=((1 - mask) * -10000)[:, None],
    )
    y, cotangent, gradient = golden(run, x, 25)
    tensors = {"input": x, "output": y, "cotangent": cotangent, "gradient": gradient}
    tensors |= {"caption": caption, "mask": mask, "modulation": modulation}
    save(out / "pixart_block.safetensors", model.state_dict(), tensors, {}, half=True)


def unigram_tokenizer(folder):
    """Of T5's kind: Unigram over words that begin with a mark, `</s>` at the end, padded with `<pad>`."""
    pieces = ["▁a", "▁", "▁red", "▁cat", "s", "▁blue", "▁dog", "▁and", *"abcdefghijklmnopqrstuvwxyz"[:26], ",", "."]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary += [(piece, -2.0 - 0.1 * i) for i, piece in enumerate(dict.fromkeys(pieces))]
    tokenizer = Tokenizer(Unigram(vocabulary, unk_id=2, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"model_max_length": 512, "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), **settings
    )


def pipeline(out):
    """A whole generator folder with f16 weights, and prompt and z -> picture with the gradient at z."""
    folder = out / "pipeline_pixart"
    text = t5(T5, 31)
    transformer = seeded(lambda: Transformer2DModel(**PIXART | dict(num_layers=1, sample_size=8)), 32, half=True)
    vae = seeded(lambda: AutoencoderKL(**VAE), 33, half=True)
    scheduler = DDPMScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=0.02, clip_sample=False)
    tokenizer = unigram_tokenizer(folder / "tokenizer")
    text.half().save_pretrained(folder / "text_encoder")
    transformer.half().save_pretrained(folder / "transformer")
    vae.half().save_pretrained(folder / "vae")
    scheduler.save_pretrained(folder / "scheduler")
    parts = {
        "scheduler": ["diffusers", "DDPMScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "T5Tokenizer"],
        "transformer": ["diffusers", "Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "PixArtAlphaPipeline"} | parts, indent=2) + "\n")

    for model in (text, transformer, vae):
        model.float()
    prompt = "  A Red cat, and two blue dogs.\n"
    pipe = PixArtAlphaPipeline(tokenizer, text, vae, transformer, scheduler)
    context, mask, _, _ = pipe.encode_prompt(prompt, do_classifier_free_guidance=False)
    torch.manual_seed(34)
    z = torch.randn(1, 4, 4, 6)

    def predicted(z, t):
        said = transformer(
            z,
            encoder_hidden_states=context,
            timestep=t[None],
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            encoder_attention_mask=mask,
        )
        return said.sample[:, :4]

    def run(z):
        x0, _, _ = one_step(scheduler, 400, z, predicted)
        pixels = vae.decode(x0 / vae.config.scaling_factor).sample
        return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)

    image, cotangent, gradient = golden(run, z, 35)
    theirs = pipe(
        prompt,
        timesteps=[400],
        guidance_scale=1.0,
        height=16,
        width=24,
        latents=z,
        clean_caption=False,
        use_resolution_binning=False,
        output_type="pt",
    ).images
    assert torch.allclose(theirs.permute(0, 2, 3, 1), image, atol=1e-5), "not what diffusers' own pipeline makes"
    print(f"pipeline_pixart: {((image > 0) & (image < 1)).float().mean():.2f} of the picture is not clamped")
    ids = tokenizer(prompt.lower().strip(), padding="max_length", max_length=120, return_tensors="pt").input_ids
    tensors = {"z": z, "ids": ids.int(), "mask": mask.float(), "context": context}
    tensors |= {"image": image, "cotangent": cotangent, "gradient": gradient}
    data = {k: v.detach().contiguous() for k, v in tensors.items()}
    save_file(data, folder / "golden.safetensors", metadata={"prompt": prompt, "versions": versions()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    t5_encoders(args.out)
    transformers(args.out)
    block(args.out)
    pipeline(args.out)

"""Golden fixtures of PixArt-alpha DMD: T5's encoder, the transformer, and a whole small generator folder.

    python tools/reference/pixart.py test/fixtures

Layout of the files, rounding and gradients: as in networks.py.
"""

import argparse
from pathlib import Path

import torch
from transformers import T5Config, T5EncoderModel
from transformers.models.t5.modeling_t5 import T5Attention

from networks import golden, save, seeded

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    t5_encoders(args.out)

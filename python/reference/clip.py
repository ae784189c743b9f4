"""Small CLIP fixtures: transformers' CLIPModel with seeded random weights, its outputs and image gradients.

    python python/reference/clip.py parity

Three configurations: quick_gelu with 2 and 1 heads, gelu with 3 heads and odd sizes, and one whose `text_config_dict`
and `vision_config_dict` replace the sections, as transformers lets them: with its defaults for keys that they lack.
Everything is computed in f64 from f32 weights, so that what is compared against has no rounding of its own.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

from versions import versions

CONFIGS = {
    "clip_quick_gelu": {
        "projection_dim": 12,
        "text_config": {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                        "max_position_embeddings": 9, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
                        "bos_token_id": 38, "eos_token_id": 39, "pad_token_id": 39},
        "vision_config": {"hidden_size": 20, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 1, "image_size": 12,
                          "patch_size": 4, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
    },
    "clip_gelu": {
        "projection_dim": 7,
        "text_config": {"vocab_size": 23, "hidden_size": 15, "intermediate_size": 33, "num_hidden_layers": 3, "num_attention_heads": 3,
                        "max_position_embeddings": 7, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
                        "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1},
        "vision_config": {"hidden_size": 21, "intermediate_size": 37, "num_hidden_layers": 3, "num_attention_heads": 3, "image_size": 15,
                          "patch_size": 5, "hidden_act": "gelu", "layer_norm_eps": 1e-6},
    },
}
# The sections say gelu, other heads and another eps; their replacements lack hidden_act and layer_norm_eps.
TEXT_DICT = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
             "max_position_embeddings": 9, "bos_token_id": 38, "eos_token_id": 39, "pad_token_id": 39}
VISION_DICT = {"hidden_size": 20, "intermediate_size": 40, "num_hidden_layers": 1, "num_attention_heads": 5, "image_size": 12,
               "patch_size": 4}
CHANGED = {"hidden_act": "gelu", "layer_norm_eps": 1e-2, "num_attention_heads": 2}
CONFIGS["clip_config_dict"] = {
    "projection_dim": 12,
    "text_config": TEXT_DICT | CHANGED,
    "text_config_dict": TEXT_DICT,
    "vision_config": VISION_DICT | CHANGED,
    "vision_config_dict": VISION_DICT,
}
# Rows of ids: one ends before the last position, one fills it. eos_token_id 2 means: pool at the highest id.
IDS = {
    "clip_quick_gelu": [[38, 3, 17, 5, 39, 39, 39, 39, 39], [38, 1, 2, 3, 4, 5, 6, 7, 39]],
    "clip_config_dict": [[38, 3, 17, 5, 39, 39, 39, 39, 39], [38, 1, 2, 3, 4, 5, 6, 7, 39]],
    "clip_gelu": [[0, 5, 22, 4, 4, 4, 4], [0, 7, 9, 3, 5, 1, 22]],
}


def randomise(model, seed):
    """Weights large enough that every part of the network matters to the output."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name == "logit_scale":
                p.fill_(1.5)
                continue
            noise = torch.randn(p.shape, generator=g)
            if p.ndim == 1 and name.endswith("weight"):
                p.copy_(1 + 0.2 * noise)  # norms
            elif p.ndim == 1:
                p.copy_(0.2 * noise)
            else:
                p.copy_(noise * (p[0].numel() ** -0.5 if "embedding" not in name or "patch" in name else 0.7))
    return model


def main(out):
    for seed, (name, config) in enumerate(CONFIGS.items()):
        model = randomise(CLIPModel(CLIPConfig(**config)), seed).eval()
        weights = {k: v.clone() for k, v in model.state_dict().items() if "position_ids" not in k}
        model = model.double()
        g = torch.Generator().manual_seed(100 + seed)
        size = config["vision_config"]["image_size"]
        pixels = torch.randn(2, 3, size, size, generator=g).double().requires_grad_()
        ids = torch.tensor(IDS[name])
        text = model.text_model(input_ids=ids, output_hidden_states=True)
        vision = model.vision_model(pixel_values=pixels)
        text_features = model.text_projection(text.pooler_output)
        image_features = model.visual_projection(vision.pooler_output)
        cosine = torch.nn.functional.cosine_similarity(image_features, text_features)
        logits = model(input_ids=ids, pixel_values=pixels).logits_per_image.diagonal()
        assert torch.allclose(logits, cosine * model.logit_scale.exp())
        (gradient,) = torch.autograd.grad(logits.sum(), pixels)
        tensors = {
            "in.pixels": pixels.detach().permute(0, 2, 3, 1),
            "in.ids": ids.int(),
            "in.eos_mask": torch.nn.functional.one_hot(ids.argmax(1), ids.shape[1]).float(),
            "out.last_hidden_state": text.last_hidden_state,
            "out.penultimate": text.hidden_states[-2],
            "out.pooled": text.pooler_output,
            "out.text_features": text_features,
            "out.image_features": image_features,
            "out.vision_last_hidden_state": vision.last_hidden_state,
            "out.logits": logits,
            "out.gradient": gradient.permute(0, 2, 3, 1),
        }
        tensors = {k: v.detach().float().contiguous() if v.is_floating_point() else v for k, v in tensors.items()}
        save_file({**{f"w.{k}": v for k, v in weights.items()}, **tensors}, os.path.join(out, f"{name}.safetensors"),
                  metadata={"versions": versions()})
        with open(os.path.join(out, f"{name}.json"), "w") as f:
            json.dump(config, f, indent=1)
        print(name, logits.tolist(), os.path.getsize(os.path.join(out, f"{name}.safetensors")))


if __name__ == "__main__":
    main(sys.argv[1])

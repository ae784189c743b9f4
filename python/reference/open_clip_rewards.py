"""HPSv2 as it is published: small open_clip models in folders that `openReward` reads, with losses and image gradients.

    python python/reference/open_clip_rewards.py parity

`rewards/hps` holds HPS_v2.1_compressed.pt (a torch.save under `state_dict`, f16), three heads and one, gelu;
`rewards/hps_open_clip` open_clip's own safetensors in f32, one head and two, quick_gelu. The loss is HPSv2's, 1 - cosine, in f64.
Needs open_clip_torch.
"""
import torch
from safetensors.torch import save_file

import reward_folders as shared  # before open_clip, which imports torchvision
import open_clip.model  # noqa: E402

# OpenAI's mean of pixels, which reward_folders.py normalises with.
PIXEL_MEAN = [0.48145466, 0.4578275, 0.40821073]

GELU = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 15, "layers": 2, "width": 24, "head_width": 8, "patch_size": 5, "mlp_ratio": 1.5},
    "text_cfg": {"context_length": 11, "vocab_size": 13, "width": 16, "heads": 1, "layers": 2},
}
QUICK_GELU = {
    "embed_dim": 6,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 12, "layers": 2, "width": 20, "head_width": 20, "patch_size": 4},
    "text_cfg": {"context_length": 11, "vocab_size": 13, "width": 12, "heads": 2, "layers": 3},
}


def write(name, config, seed, shape, save):
    folder = shared.out_folder(name)
    model = open_clip.model.CLIP(**{k: dict(v) if isinstance(v, dict) else v for k, v in config.items()})
    model = shared.seeded(model, seed)
    save(folder, {k: v.contiguous() for k, v in model.state_dict().items()}, model.attn_mask)
    shared.write_json(folder / "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": {"mean": PIXEL_MEAN}})
    tokens = shared.clip_tokenizer(folder, config["text_cfg"]["context_length"]).encode(shared.PROMPT).ids
    model = model.double()
    model.attn_mask = model.attn_mask.double()

    def score(image):
        features = model.encode_image(shared.preprocess(image, config["vision_cfg"]["image_size"]), normalize=True)
        return (features * model.encode_text(torch.tensor([tokens]), normalize=True)).sum(-1)

    shared.write_golden(folder, shape, 1, score, seed + 1)


def as_published(folder, state, attn_mask):
    state = {k: v.half() for k, v in state.items()} | {"attn_mask": attn_mask}
    torch.save({"epoch": 3, "name": "hps", "state_dict": state}, folder / "HPS_v2.1_compressed.pt")


def as_open_clip(folder, state, _):
    save_file(state, folder / "open_clip_model.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write("hps", GELU, 1, (1, 3, 21, 18), as_published)
    write("hps_open_clip", QUICK_GELU, 2, (2, 3, 12, 12), as_open_clip)

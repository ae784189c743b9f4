"""The other four rewards as they are published: small models in folders that `openReward` reads, with scores and gradients.

    python python/reference/published_rewards.py parity

`rewards/clip` is a CLIPModel folder in safetensors, `rewards/pick_score` one in PyTorch's format, `rewards/aesthetic` one
with LAION's head beside it, `rewards/image_reward` holds ImageReward.pt and med_config.json and nothing else. The formulas
are the ReNO reference's (rewards/*.py), the networks transformers', all in f64.
"""
import torch
import torch.nn.functional as F

import reward_folders as shared  # before transformers, which looks at torchvision
from transformers import BlipTextConfig, BlipVisionConfig, CLIPConfig, CLIPModel
from transformers.models.blip.modeling_blip import BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel

from rewards import Head, image_reward_keys

POSITIONS = 11


def clip_config(text, vision, eos):
    special = {"bos_token_id": 11, "eos_token_id": eos, "pad_token_id": 0}
    return CLIPConfig(
        projection_dim=9,
        text_config={"vocab_size": 13, "max_position_embeddings": POSITIONS} | special | text,
        vision_config={"image_size": 15, "patch_size": 5} | vision,
    )


def sizes(hidden, inner, layers, heads, act):
    return {"hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads, "hidden_act": act}


def image_features(model, image):
    size = model.config.vision_config.image_size
    return F.normalize(model.visual_projection(model.vision_model(pixel_values=shared.preprocess(image, size)).pooler_output), dim=-1)


def clip(name, config, seed, shape, offset, save):
    folder = shared.out_folder(name)
    model = shared.seeded(CLIPModel(config), seed)
    save(folder, model)
    tokenizer = shared.clip_tokenizer(folder, POSITIONS)
    tokenizer.no_padding()  # As the reference; the engine pads.
    ids = torch.tensor([tokenizer.encode(shared.PROMPT).ids])
    model = model.double()
    text = F.normalize(model.text_projection(model.text_model(input_ids=ids).pooler_output), dim=-1)
    score = lambda image: model.logit_scale.exp() * (image_features(model, image) * text).sum(-1)
    shared.write_golden(folder, shape, offset, score, seed + 1)


def as_safetensors(folder, model):
    model.save_pretrained(folder)


def as_bin(folder, model):
    model.config.save_pretrained(folder)
    torch.save({k: v.half() for k, v in model.state_dict().items()}, folder / "pytorch_model.bin")


def aesthetic():
    folder = shared.out_folder("aesthetic")
    model = shared.seeded(CLIPModel(clip_config(sizes(12, 20, 1, 2, "quick_gelu"), sizes(22, 44, 2, 1, "quick_gelu"), 2)), 21)
    head = shared.seeded(Head([9, 16, 12, 8, 4, 1]), 22, half=False)
    model.half().save_pretrained(folder)
    torch.save(head.state_dict(), folder / "sac+logos+ava1-l14-linearMSE.pth")
    model, head = model.double(), head.double()
    shared.write_golden(folder, (2, 3, 19, 17), 10, lambda image: head.layers(image_features(model, image))[:, 0], 23)


def image_reward():
    """BLIP's heads are 64 wide; med_config.json says another encoder_width than the image encoder has, as the published one does."""
    folder = shared.out_folder("image_reward")
    width, hidden = 128, 20
    med = {"vocab_size": 15, "hidden_size": hidden, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 44,
           "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 40}
    vision = shared.seeded(BlipVisionModel(BlipVisionConfig(
        **sizes(width, 96, 1, width // 64, "gelu"), image_size=16, patch_size=4, layer_norm_eps=1e-6)), 31)
    text = shared.seeded(BlipTextModel(BlipTextConfig(
        **med, encoder_hidden_size=width, is_decoder=True, pad_token_id=0, bos_token_id=13, sep_token_id=3), add_pooling_layer=False), 32)
    head = shared.seeded(Head([hidden, 16, 12, 8, 4, 1]), 33)
    projections = {f"blip.{part}_proj.{kind}": torch.zeros(size) for part, n in (("vision", width), ("text", hidden))
                   for kind, size in (("weight", (6, n)), ("bias", (6,)))}
    state = image_reward_keys(vision, text, head) | projections
    state = {k: v.half() for k, v in state.items()} | {"blip.text_encoder.embeddings.position_ids": torch.arange(40)[None]}
    torch.save(state, folder / "ImageReward.pt")
    shared.write_json(folder / "med_config.json", med | {
        "architectures": ["BertModel"], "model_type": "bert", "type_vocab_size": 2, "encoder_width": 12, "add_cross_attention": True})
    encoded = shared.bert_tokenizer(folder, 35).encode(shared.PROMPT)
    ids, mask = torch.tensor([encoded.ids]), torch.tensor([encoded.attention_mask])
    vision, text, head = vision.double(), text.double(), head.double()

    def score(image):
        tokens = vision(pixel_values=shared.preprocess(image, 16)).last_hidden_state
        state = text(input_ids=ids, attention_mask=mask, encoder_hidden_states=tokens,
                     encoder_attention_mask=torch.ones(tokens.shape[:2], dtype=torch.long), is_decoder=False).last_hidden_state
        return (head.layers(state[:, 0])[:, 0] - 0.16717362830052426) / 1.0333394966054072

    shared.write_golden(folder, (1, 3, 22, 27), 2, score, 34)


if __name__ == "__main__":
    torch.set_num_threads(1)
    clip("clip", clip_config(sizes(15, 33, 2, 3, "gelu"), sizes(21, 37, 2, 3, "gelu"), 12), 11, (1, 3, 24, 20), 100, as_safetensors)
    clip("pick_score", clip_config(sizes(14, 28, 3, 1, "gelu"), sizes(20, 40, 2, 2, "gelu"), 2), 14, (2, 3, 15, 15), 30, as_bin)
    aesthetic()
    image_reward()

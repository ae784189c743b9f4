"""ImageReward's network in plain PyTorch, with exactly its checkpoint's keys (and none of its dependencies).

blip.visual_encoder.*  timm-style ViT (pre-norm, exact gelu, LN eps 1e-6)
blip.text_encoder.*    BLIP's med.py BertModel in mode 'multimodal', no pooler, no token types: post-norm,
                       self-attention (padding mask) -> cross-attention to all image tokens -> feed-forward
mlp.layers.{0,2,4,6,7} 128->128->64->32->16->1 without activations (odd places are dropouts)
score = (mlp(CLS of the text encoder) - mean) / std; the first token is BERT's own [CLS], as ImageReward does it.
"""
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

VISION = {"image_size": 56, "patch_size": 8, "width": 128, "depth": 4, "heads": 4, "mlp": 512, "layer_norm_eps": 1e-6}
MED = {
    "architectures": ["BertModel"], "hidden_act": "gelu", "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 3,
    "num_attention_heads": 4, "max_position_embeddings": 20, "layer_norm_eps": 1e-12, "encoder_width": 128, "add_cross_attention": True,
    "add_type_embeddings": False, "pad_token_id": 0,
}


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, dim * 3), nn.Linear(dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads, mlp, eps):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps), Mlp(dim, mlp)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, dim, patch):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    def __init__(self, c=VISION):
        super().__init__()
        d, n = c["width"], (c["image_size"] // c["patch_size"]) ** 2
        self.cls_token = nn.Parameter(torch.randn(1, 1, d) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, n + 1, d) * 0.02)
        self.patch_embed = PatchEmbed(d, c["patch_size"])
        self.blocks = nn.ModuleList(Block(d, c["heads"], c["mlp"], c["layer_norm_eps"]) for _ in range(c["depth"]))
        self.norm = nn.LayerNorm(d, c["layer_norm_eps"])

    def forward(self, x):
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        for b in self.blocks:
            x = b(x)
        return self.norm(x)


class BertEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.word_embeddings = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.position_embeddings = nn.Embedding(c["max_position_embeddings"], c["hidden_size"])
        self.LayerNorm = nn.LayerNorm(c["hidden_size"], c["layer_norm_eps"])

    def forward(self, ids):
        return self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings.weight[: ids.shape[1]])


class BertSelfAttention(nn.Module):
    def __init__(self, dim, heads, kv_dim):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(kv_dim, dim), nn.Linear(kv_dim, dim)

    def forward(self, x, kv, mask=None):
        b, n, d = x.shape
        split = lambda t: t.view(b, -1, self.heads, d // self.heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(self.query(x)), split(self.key(kv)), split(self.value(kv)), attn_mask=mask)
        return y.transpose(1, 2).reshape(b, n, d)


class BertOutput(nn.Module):
    """dense + residual + LayerNorm: BERT's three outputs (self, cross, feed-forward) share this shape."""

    def __init__(self, d_in, d, eps):
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(d_in, d), nn.LayerNorm(d, eps)

    def forward(self, y, residual):
        return self.LayerNorm(self.dense(y) + residual)


class BertAttention(nn.Module):
    def __init__(self, c, kv_dim):
        super().__init__()
        self.self = BertSelfAttention(c["hidden_size"], c["num_attention_heads"], kv_dim)
        self.output = BertOutput(c["hidden_size"], c["hidden_size"], c["layer_norm_eps"])

    def forward(self, x, kv=None, mask=None):
        return self.output(self.self(x, x if kv is None else kv, mask), x)


class BertIntermediate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.dense = nn.Linear(c["hidden_size"], c["intermediate_size"])

    def forward(self, x):
        return F.gelu(self.dense(x))


class BertLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attention = BertAttention(c, c["hidden_size"])
        self.crossattention = BertAttention(c, c["encoder_width"])
        self.intermediate = BertIntermediate(c)
        self.output = BertOutput(c["intermediate_size"], c["hidden_size"], c["layer_norm_eps"])

    def forward(self, x, image, mask):
        x = self.attention(x, mask=mask)
        x = self.crossattention(x, image)
        return self.output(self.intermediate(x), x)


class BertEncoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(c) for _ in range(c["num_hidden_layers"]))


class BertModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings, self.encoder = BertEmbeddings(c), BertEncoder(c)

    def forward(self, ids, attention_mask, image, all_layers=False):
        x, states = self.embeddings(ids), []
        mask = (1.0 - attention_mask[:, None, None, :].float()) * -10000.0
        for layer in self.encoder.layer:
            x = layer(x, image, mask)
            states.append(x)
        return states if all_layers else x


class Blip(nn.Module):
    def __init__(self, vision, med):
        super().__init__()
        self.visual_encoder, self.text_encoder = VisionTransformer(vision), BertModel(med)


class RewardMlp(nn.Module):
    def __init__(self, d=128):
        super().__init__()
        l = nn.Linear
        self.layers = nn.Sequential(l(d, 128), nn.Dropout(0.2), l(128, 64), nn.Dropout(0.2), l(64, 32), nn.Dropout(0.1), l(32, 16), l(16, 1))

    def forward(self, x):
        return self.layers(x)


class ImageReward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.blip, self.mlp = Blip(config["vision"], config["med_config"]), RewardMlp(config["med_config"]["hidden_size"])

    def forward(self, image, ids, mask):
        """image: preprocessed [N,3,56,56]; ids, mask: [N,T]. The normalised score [N]."""
        hidden = self.blip.text_encoder(ids, mask, self.blip.visual_encoder(image))
        return (self.mlp(hidden[:, 0])[:, 0] - self.config["mean"]) / self.config["std"]

    @staticmethod
    def load(folder):
        with open(os.path.join(folder, "config.json")) as f:
            m = ImageReward(json.load(f))
        m.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, "model.safetensors")).items()})
        return m.eval()

    def save(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(self.config, f, indent=1)
        save_file({k: v.half().contiguous() for k, v in self.state_dict().items()}, os.path.join(folder, "model.safetensors"))

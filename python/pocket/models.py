"""The generator's networks, in the shapes that docs/pocket.md documents."""
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizerFast

LATENT, LENGTH = (8, 8, 8), 16


def make_unet():
    u = UNet2DConditionModel(
        sample_size=8, in_channels=8, out_channels=8, block_out_channels=(64, 96), layers_per_block=1,
        down_block_types=('CrossAttnDownBlock2D',) * 2, up_block_types=('CrossAttnUpBlock2D',) * 2, mid_block_type='UNetMidBlock2DCrossAttn',
        cross_attention_dim=128, norm_num_groups=16, attention_head_dim=(2, 3), use_linear_projection=True)
    torch.nn.init.zeros_(u.conv_out.weight)
    return u


def make_text(tokenizer):
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=LENGTH,
        hidden_act='quick_gelu', projection_dim=128, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, initializer_factor=1.0))


def tokenize(tokenizer, texts):
    """Padded with <|endoftext|> to the full length, as the pipeline does."""
    return tokenizer(texts, padding='max_length', max_length=LENGTH, truncation=True, return_tensors='pt').input_ids


def load_tokenizer(path):
    return CLIPTokenizerFast.from_pretrained(path)

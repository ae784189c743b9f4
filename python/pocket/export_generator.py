"""Writes weights/pocket/generator (diffusers pipeline layout, f16) from a checkpoint, the VAE and the tokenizer.

    python export_generator.py --gen $POCKET_WORK/gen --vae $POCKET_WORK/vae --tokenizer $POCKET_WORK/tokenizer_clip --out weights/pocket/generator
"""
import argparse
import json
import os
import shutil
import torch
from safetensors.torch import load_file, save_file
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
from common import save_half
from models import load_tokenizer, make_text, make_unet

ap = argparse.ArgumentParser()
for n in ('gen', 'vae', 'tokenizer', 'out'):
    ap.add_argument('--' + n, required=True)
a = ap.parse_args()
tok = load_tokenizer(a.tokenizer)
net = torch.nn.ModuleDict(dict(unet=make_unet(), text=make_text(tok)))
net.load_state_dict(torch.load(a.gen + '/last.pt')['ema'])
os.makedirs(a.out, exist_ok=True)
save_half(net['unet'], a.out + '/unet')
save_half(net['text'], a.out + '/text_encoder')
path = a.out + '/text_encoder/model.safetensors'      # transformers 5 drops the prefix that every published text encoder has
save_file({'text_model.' + k.removeprefix('text_model.'): v for k, v in load_file(path).items()}, path, {'format': 'pt'})
save_half(AutoencoderKL.from_pretrained(a.vae), a.out + '/vae')
FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0).save_pretrained(a.out + '/scheduler')
shutil.copytree(a.tokenizer, a.out + '/tokenizer', dirs_exist_ok=True)
with open(a.out + '/model_index.json', 'w') as f:
    json.dump({
        '_class_name': 'StableDiffusionPipeline', '_diffusers_version': '0.42.1', '_name_or_path': 'reno-pocket-generator',
        'scheduler': ['diffusers', 'FlowMatchEulerDiscreteScheduler'], 'text_encoder': ['transformers', 'CLIPTextModel'],
        'tokenizer': ['transformers', 'CLIPTokenizer'], 'unet': ['diffusers', 'UNet2DConditionModel'], 'vae': ['diffusers', 'AutoencoderKL'],
        'feature_extractor': [None, None], 'safety_checker': [None, None], 'image_encoder': [None, None], 'requires_safety_checker': False,
        'reno_one_step': {'prediction': 'flow', 'sigma': 1.0, 'timestep': 1000, 'x0': 'z - v'},
    }, f, indent=2)
    f.write('\n')
for part in ('unet', 'vae'):                         # diffusers notes the folder that it loaded from
    path = f'{a.out}/{part}/config.json'
    with open(path) as f:
        c = json.load(f)
    c.pop('_name_or_path', None)
    with open(path, 'w') as f:
        json.dump(c, f, indent=2, sort_keys=True)
        f.write('\n')
for root, _, files in os.walk(a.out):
    for n in files:
        os.path.getsize(os.path.join(root, n)) > 1e5 and print(os.path.getsize(os.path.join(root, n)), os.path.join(root, n))

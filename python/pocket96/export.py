"""The generator in the layout of weights/pocket (diffusers folder, f16), the held-out prompts and reno.json, into POCKET_WORK/w96/weights; and the size of everything there.
"""
import json
import os
import shutil

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
from safetensors.torch import load_file, save_file

import generator as G
import stage
import world
from common import save_half


def main():
    tok, out = G.tokenizer(), stage.WEIGHTS + '/generator'
    os.makedirs(out, exist_ok=True)
    auto, net = AutoencoderKL.from_pretrained(stage.ROOT + '/vae/model'), G.make_net(tok)
    net.load_state_dict(torch.load(stage.ROOT + '/generator/checkpoint.pt', weights_only=False)['ema']['model'])
    save_half(net['unet'], out + '/unet'), save_half(net['text'], out + '/text_encoder'), save_half(auto, out + '/vae')
    path = out + '/text_encoder/model.safetensors'             # transformers 5 drops the prefix that every published text encoder has
    save_file({'text_model.' + k.removeprefix('text_model.'): v for k, v in load_file(path).items()}, path, {'format': 'pt'})
    FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0).save_pretrained(out + '/scheduler')
    shutil.copytree(stage.TOKENIZERS + '/generator/tokenizer', out + '/tokenizer', dirs_exist_ok=True)
    shutil.copy(stage.TOKENIZERS + '/generator/model_index.json', out)
    for part in ('unet', 'vae'):
        file = f'{out}/{part}/config.json'
        c = json.load(open(file))
        c.pop('_name_or_path', None)
        with open(file, 'w') as f:
            json.dump(c, f, indent=2, sort_keys=True)
            f.write('\n')
    world.write_prompts(stage.WEIGHTS + '/heldout_prompts.json')
    if not os.path.exists(stage.WEIGHTS + '/reno.json'):
        shutil.copy(stage.TOKENIZERS + '/reno.json', stage.WEIGHTS)
    total = sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(stage.WEIGHTS) for f in fs if f.endswith('.safetensors'))
    print(f'weights {total / 1e6:.1f} MB')


if __name__ == '__main__':
    main()

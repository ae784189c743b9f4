"""Puts the networks of trained/ into POCKET_WORK/w96, where the stages look for them, so that hardening and measuring go on without training anew: python resume.py

The rewards of trained/ have been hardened once: they count as those of round 1. Optimisers, averages and the heads that are thrown away are not kept; loop.py needs none of them.
"""
import os
import shutil

import torch
from safetensors.torch import load_file

import rewards
import stage
from rewards_pairs import Tokens

TRAINED = os.path.join(stage.HERE, 'trained')


def main():
    for out in (stage.WEIGHTS, f'{stage.ROOT}/harden1/weights'):
        shutil.copytree(TRAINED, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns('labeller', 'layout_head.safetensors', 'image_reward_before'))
    shutil.copytree(TRAINED + '/labeller', stage.folder('labeller') + '/model', dirs_exist_ok=True)
    for name in ('image_reward', 'hps', 'clip'):
        net = (rewards.Ranker if name == 'image_reward' else rewards.Clip)(Tokens(f'{stage.TOKENIZERS}/{name}', 20 if name == 'image_reward' else 16))
        known = {k: v.float() for k, v in load_file(f'{TRAINED}/{name}/model.safetensors').items()}
        left = net.model.load_state_dict(known, strict=False)
        lack = [k for k in left.missing_keys if 'position_ids' not in k]
        if lack or left.unexpected_keys:
            raise SystemExit(f'{TRAINED}/{name} does not fit: {[*lack, *left.unexpected_keys][:4]}')
        for place in (name, f'harden1/{name}'):
            torch.save(dict(ema=dict(model=net.state_dict())), stage.folder(place) + '/checkpoint.pt')
            open(stage.folder(place) + '/DONE', 'w').close()


if __name__ == '__main__':
    main()

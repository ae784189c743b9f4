"""Puts the product's networks into POCKET_WORK/w96, where loop.py and tune.py look for them, so that hardening and measuring go on without training anew: python resume.py

The rewards of weights/pocket have been hardened once, so the next are `loop.py harvest 2 SHARD` and `loop.py harden 2 NAME`. Optimisers, averages and the heads that are thrown away are not kept; they are not needed there.
"""
import os
import shutil

import torch
from safetensors.torch import load_file

import rewards
import stage

TRAINED = os.path.join(stage.HERE, '..', '..', 'weights', 'pocket')


def main():
    for out in (stage.WEIGHTS, f'{stage.ROOT}/harden1/weights'):
        shutil.copytree(TRAINED, out, dirs_exist_ok=True)
    shutil.copytree(stage.HERE + '/labeller', stage.folder('labeller') + '/model', dirs_exist_ok=True)
    for name in ('image_reward', 'hps', 'clip'):
        net, _ = rewards.make(name)
        known = {k: v.float() for k, v in load_file(f'{TRAINED}/{name}/model.safetensors').items()}
        left = net.model.load_state_dict(known, strict=False)
        lack = [k for k in left.missing_keys if 'position_ids' not in k]
        if lack or left.unexpected_keys:
            raise SystemExit(f'{TRAINED}/{name} does not fit: {[*lack, *left.unexpected_keys][:4]}')
        torch.save(dict(ema=dict(model=net.state_dict())), stage.folder(f'harden1/{name}') + '/checkpoint.pt')
        open(stage.folder(f'harden1/{name}') + '/DONE', 'w').close()


if __name__ == '__main__':
    main()

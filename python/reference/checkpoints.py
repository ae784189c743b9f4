"""Small checkpoints as torch.save writes them, for test/models/checkpoint/pickle.test.ts, and what torch reads of published ones.

    python python/reference/checkpoints.py [FOLDER]     writes parity/checkpoints/ (torch 2.13.0)

The same object four times: zip.pt (the format since 1.6), legacy.pt (before), protocol4.pt (a newer pickle), zip64.pt (as
archives beyond 4 GiB are, where sizes and places do not fit 32 bits); and their tensors, dense, in expected.safetensors.
FOLDER holds published files: real.json then has dtype, shape and SHA-256 of each of their tensors, and what the aesthetic
head says of a ramp.
"""
import hashlib
import json
import os
import sys
import zipfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file

AESTHETIC = "sac+logos+ava1-l14-linearMSE.pth"
OUT = os.path.join(os.path.dirname(__file__), "../../parity/checkpoints")


def state_dict():
    g = torch.Generator().manual_seed(0)
    base = torch.randn(6, 10, generator=g)
    tied = torch.randn(4, 3, generator=g)
    state = OrderedDict()
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        state[f"float.{str(dtype)[6:]}"] = torch.randn(2, 3, generator=g).to(dtype)
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        state[f"int.{str(dtype)[6:]}"] = torch.arange(5).to(dtype)
    state["int.bool"] = torch.tensor([True, False, True])
    state["tied.input"], state["tied.output"] = tied, tied
    state["view.transposed"] = base.t()
    state["view.columns"] = base[:, 2:5]
    state["view.rows"] = base[1:3]
    state["view.every_other"] = base[::2, ::3]
    state["view.permuted"] = torch.randn(2, 3, 4, generator=g).permute(2, 0, 1)
    state["view.expanded"] = base[0, :4].clone().repeat(2)[:4].expand(1, 1, 4)
    state["parameter"] = torch.nn.Parameter(torch.randn(3, generator=g))
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.empty(0, 4)
    state["ünï.ключ"] = torch.ones(1)
    state._metadata = OrderedDict([("", {"version": 1})])
    return state


def zip64(source, target):
    """The archive again, with every size and place in the fields for large ones."""
    limits = zipfile.ZIP64_LIMIT
    with zipfile.ZipFile(source) as a:
        members = [(name, a.read(name)) for name in a.namelist()]
    zipfile.ZIP64_LIMIT = 0
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as b:
            for name, data in members:
                b.writestr(zipfile.ZipInfo(name), data)
    finally:
        zipfile.ZIP64_LIMIT = limits


def published(folder):
    files = {}
    for name in (AESTHETIC, "sa_l14.pth", "lpips_vgg.pth", "taef2_decoder.pth", "taef2_encoder.pth"):
        state = torch.load(os.path.join(folder, name), map_location="cpu", weights_only=True)
        files[name] = {
            key: [str(t.dtype)[6:], list(t.shape), hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest()]
            for key, t in state.items()
        }
    state = torch.load(os.path.join(folder, AESTHETIC), map_location="cpu", weights_only=True)
    x = torch.linspace(-1, 1, 768, dtype=torch.float64)
    for i in (0, 2, 4, 6, 7):
        x = state[f"layers.{i}.weight"].double() @ x + state[f"layers.{i}.bias"].double()
    return {"files": files, "aesthetic_of_ramp": x.item()}


def main():
    os.makedirs(OUT, exist_ok=True)
    state = state_dict()
    checkpoint = {
        "epoch": 7,
        "loss": [0.5, 1e300, None],
        "huge": 2**80,
        "state_dict": state,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(2), "step": 3}}, "param_groups": [{"betas": (0.9, 0.999)}]},
    }
    path = lambda name: os.path.join(OUT, name)
    torch.save(checkpoint, path("zip.pt"))
    torch.save(checkpoint, path("legacy.pt"), _use_new_zipfile_serialization=False)
    torch.save(checkpoint, path("protocol4.pt"), pickle_protocol=4)
    zip64(path("zip.pt"), path("zip64.pt"))
    dense = {key: value.detach().contiguous().clone() for key, value in state.items()}
    save_file(dense, path("expected.safetensors"))
    if len(sys.argv) > 1:
        with open(path("real.json"), "w") as f:
            json.dump(published(sys.argv[1]), f, indent=1)


if __name__ == "__main__":
    main()

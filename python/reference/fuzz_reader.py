"""Reads checkpoints as PyTorch (weights_only) and safetensors do, for `npm run test:faults`: files come in, answers go out.

A frame in is a byte ("s" safetensors, "p" pickle), a u32 length and the file's bytes; a frame out is a u32 length and JSON:
{"ok", "error", "tensors": {name: [dtype, shape, md5 of the values]}}. Run: python fuzz_reader.py (PyTorch 2.13, safetensors 0.8).
"""

import hashlib
import io
import json
import resource
import struct
import sys
import warnings

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

# Values larger than this, in bytes, are compared by their shapes alone.
MAX_VALUES = 1 << 20
ROOTS = ["state_dict", "model_state_dict", "model"]
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def described(tensor):
    """[dtype, shape, md5], or None for a tensor that the other side does not read."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.dtype not in DTYPES or tensor.is_neg() or tensor.is_conj():
        return None
    size = tensor.numel() * tensor.element_size()
    if size > MAX_VALUES:
        return [DTYPES[tensor.dtype], list(tensor.shape), None]
    if tensor.dtype == torch.bool:
        tensor = tensor.to(torch.uint8).ne(0)
    values = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.detach().reshape(-1))
    data = values.view(torch.uint8).numpy().tobytes() if size else b""
    return [DTYPES[tensor.dtype], list(tensor.shape), hashlib.md5(data).hexdigest()]


def flat(root):
    """The tensors by name, by the rule of src/models/checkpoint/pickle/state_dict.ts."""
    if not isinstance(root, dict):
        return None
    if not any(isinstance(value, torch.Tensor) for value in root.values()):
        root = next((root[key] for key in ROOTS if isinstance(root.get(key), dict)), root)
    tensors = {}

    def walk(values, prefix, depth):
        if depth > 16 or len(tensors) > 10000:
            raise RecursionError("nested without end")
        for key, value in values.items():
            name = prefix + (key if isinstance(key, str) else str(int(key)) if isinstance(key, int) else repr(key))
            if isinstance(value, torch.Tensor):
                tensors[name] = described(value)
            elif isinstance(value, dict):
                walk(value, name + ".", depth + 1)

    walk(root, "", 0)
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name[7:]: value for name, value in tensors.items()}
    return {name: value for name, value in tensors.items() if value is not None}


def answer(kind, data):
    """The verdict on one file."""
    try:
        if kind == b"s":
            tensors = {name: described(tensor) for name, tensor in load_safetensors(data).items()}
            return {"ok": True, "tensors": {name: value for name, value in tensors.items() if value is not None}}
        root = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        tensors = flat(root)
        return {"ok": True, "tensors": tensors} if tensors is not None else {"ok": True, "error": "no dictionary"}
    except KeyError as error:
        # safetensors' Rust reads types that its PyTorch part does not know.
        return {"ok": kind == b"s", "error": f"KeyError {error}", "tensors": {}, "partial": kind == b"s"}
    except (SafetensorError, Exception) as error:  # noqa: BLE001 - any exception is a refusal
        return {"ok": False, "error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:600]}


def main():
    """Answers until the input ends."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while True:
        head = source.read(5)
        if len(head) < 5:
            return
        kind, length = struct.unpack("<cI", head)
        text = json.dumps(answer(kind, source.read(length))).encode()
        target.write(struct.pack("<I", len(text)) + text)
        target.flush()


if __name__ == "__main__":
    main()

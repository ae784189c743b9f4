"""Times kernels in PyTorch on a CUDA GPU, for `reno selftest`: a JSON list of rows on stdin, a line of JSON for each on stdout.

It needs nothing but PyTorch. The first line names PyTorch and the GPU. `--device cpu` is for trying it without one.
"""

import json
import statistics
import sys
import time

RUNS = 10
WARM_UP = 3


def prepared(torch, row, device):
    """Returns a function that runs the row's computation once. Sizes are as in commands/selftest/kernel_rows.ts."""
    half = torch.float16 if row["dtype"] == "f16" else torch.float32

    def values(*shape, grad=False):
        return torch.randn(*shape, device=device, dtype=half, requires_grad=grad)

    kind = row["kind"]
    if kind == "matmul":
        a, b = values(row["m"], row["k"]), values(row["k"], row["n"])
        return lambda: a @ b
    if kind in ("conv2d", "conv2d_backward_input"):
        size, cin, cout = row["size"], row["cin"], row["cout"]
        last = {"memory_format": torch.channels_last}
        x, w = values(1, cin, size, size).to(**last), (values(cout, cin, 3, 3) / 50).to(**last)
        if kind == "conv2d":
            return lambda: torch.nn.functional.conv2d(x, w, padding=1)
        dy = values(1, cout, size, size).to(**last)
        return lambda: torch.nn.grad.conv2d_input(x.shape, w, dy, padding=1)
    shape = (1, row["heads"], row["tokens"], row["width"])
    attend = torch.nn.functional.scaled_dot_product_attention
    if kind == "attention":
        q, k, v = values(*shape), values(*shape), values(*shape)
        return lambda: attend(q, k, v)
    q, k, v = (values(*shape, grad=True) for _ in range(3))
    dy = values(*shape)
    return lambda: torch.autograd.grad(attend(q, k, v), (q, k, v), dy)


def milliseconds(torch, run, device):
    """Returns the median time of a run: by CUDA events on a GPU, else by the clock."""
    for _ in range(WARM_UP):
        run()
    times = []
    for _ in range(RUNS):
        if device == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            run()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end))
        else:
            begin = time.perf_counter()
            run()
            times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def main():
    device = "cpu" if sys.argv[1:] == ["--device", "cpu"] else "cuda"
    try:
        import torch
    except ImportError:
        print(json.dumps({"missing": "python3 has no PyTorch"}))
        return
    if device == "cuda" and not torch.cuda.is_available():
        print(json.dumps({"missing": f"PyTorch {torch.__version__} sees no CUDA GPU"}))
        return
    name = torch.cuda.get_device_name() if device == "cuda" else "the CPU"
    print(json.dumps({"torch": torch.__version__, "device": name}), flush=True)
    for row in json.load(sys.stdin):
        try:
            found = {"ms": milliseconds(torch, prepared(torch, row, device), device)}
        except Exception as error:  # noqa: BLE001  One row must not lose the others.
            found = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps({"name": row["name"], **found}), flush=True)


main()

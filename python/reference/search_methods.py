"""Ten steps of the methods of `reno generate --method` on a small seeded network, in f64, for test/reno/search_methods.test.ts.

    python python/reference/search_methods.py

writes parity/search_methods.safetensors: the network, noises, and for each method the losses and the gradients of every step. The
Fourier transform is torch's own, the magnitudes are projected by a search for the threshold, Adam and SGD are torch.optim's, and the
regulariser by moments and power spectrum is differentiated by torch.
"""
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
SHAPE, STEPS, BLOCK = (1, 4, 8, 12), 10, 16
N = math.prod(SHAPE)
SUM, SQUARES = math.sqrt(math.pi) / 2 * BLOCK, BLOCK


def network(generator):
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float32).double()
    return {"w1": draw(48, N) / N**0.5, "w2": draw(48, 48) / 48**0.5, "taste": draw(48)}


def picture(net, z):
    return torch.sigmoid(2 * torch.tanh(3 * z.reshape(-1) @ net["w1"].T) @ net["w2"].T)


def losses(net, z):
    image = picture(net, z)
    flat = (image - 0.3).square().mean()
    cosine = 1 - torch.nn.functional.cosine_similarity(image - image.mean(), net["taste"], dim=0)
    return flat, cosine


def total(net, z):
    flat, cosine = losses(net, z)
    return 2 * flat + 5 * cosine


def regulariser(z, weight):
    s = z.square().sum()
    return weight * (0.5 * s - (N - 1) * 0.5 * s.log())


def projected(m):
    """The magnitudes s * max(m - tau, 0) of a block with the two sums; tau by bisection of the ratio of the sums."""
    low, high = m.min() - 1000 * m.max(), m.max()

    def ratio(tau):
        kept = (m - tau).clamp(min=0)
        return kept.sum() ** 2 / kept.square().sum()

    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if ratio(middle) > SUM**2 / SQUARES else (low, middle)
    kept = (m - low).clamp(min=0)
    return kept * SUM / kept.sum()


def compact_spectrum(x):
    spectrum = torch.fft.rfft(x.reshape(-1), norm="ortho")
    first = torch.complex(spectrum[0].real, spectrum[-1].real) / math.sqrt(2)
    return torch.cat([first[None], spectrum[1:-1]])


def gaussianity(x):
    """Moments and power spectrum of values in a random order (arXiv 2509.07027): K = {1, 2}, lambda = 25, blocks of 16."""
    power = (compact_spectrum(x).abs().reshape(-1, BLOCK).mean(1) - 0.875).abs().mean()
    return x.mean().abs() + (x.square().mean().sqrt() - 1).abs() + 25 * power


def white_noise(x):
    y = compact_spectrum(x)
    size = torch.cat([projected(block) for block in y.abs().split(BLOCK)])
    y = y / y.abs() * size
    whole = torch.cat([y, y[:1]])
    whole[0] = torch.complex(y[0].real * math.sqrt(2), torch.tensor(0.0))
    whole[-1] = torch.complex(y[0].imag * math.sqrt(2), torch.tensor(0.0))
    return torch.fft.irfft(whole, n=N, norm="ortho").reshape(x.shape)


def run(net, start, steps, optimizer, clip, weight, project=""):
    z = torch.nn.Parameter(start.clone())
    optimizer = optimizer([z])
    out = {"losses": [], "gradients": []}
    for _ in range(steps):
        optimizer.zero_grad()
        loss = total(net, z)
        out["losses"].append(loss.item())
        (loss + regulariser(z, weight)).backward()
        out["gradients"].append(z.grad.clone().reshape(-1))
        if project in ("gradient", "both"):
            z.grad = white_noise(z.grad)
        torch.nn.utils.clip_grad_norm_([z], clip)
        optimizer.step()
        if project in ("latents", "both"):
            z.data = white_noise(z.data)
    return {"losses": torch.tensor(out["losses"]), "gradients": torch.stack(out["gradients"]), "end": z.data.reshape(-1)}


def run_by_spectrum(net, start, orders, optimizer, clip, weight):
    """As `run`, with the regulariser's gradient given weight times the norm of the rewards' gradient."""
    z = torch.nn.Parameter(start.clone())
    optimizer = optimizer([z])
    out = {"losses": [], "gradients": [], "regularisers": []}
    for order in orders:
        loss, value = total(net, z), gaussianity(z.reshape(-1)[order])
        out["losses"].append(loss.item())
        out["regularisers"].append(weight * value.item())
        (rewards,) = torch.autograd.grad(loss, z)
        (own,) = torch.autograd.grad(value, z)
        z.grad = rewards + weight * rewards.norm() / own.norm() * own
        out["gradients"].append(z.grad.clone().reshape(-1))
        torch.nn.utils.clip_grad_norm_([z], clip)
        optimizer.step()
    numbers = {key: torch.tensor(out[key]) for key in ("losses", "regularisers")}
    return {**numbers, "gradients": torch.stack(out["gradients"]), "end": z.data.reshape(-1)}


def zeroth_order(net, centre, draws, samples=4, radius=0.5, temperature=0.5):
    """Rounds of antithetic noises around a centre, which moves along their mean, weighted by softmax(-loss / (temperature * std))."""
    losses = [total(net, centre)]
    for pairs in draws.split(samples // 2):
        noises = torch.stack([sign * draw for draw in pairs for sign in (1, -1)])
        values = torch.stack([total(net, (1 - radius**2) ** 0.5 * centre + radius * noise) for noise in noises])
        losses += values
        weights = torch.softmax(-values / (temperature * values.std(correction=0)), 0)
        mean = torch.einsum("i,i...->...", weights, noises)
        centre = (1 - radius**2) ** 0.5 * centre + radius * mean / (weights[::2] - weights[1::2]).norm()
    return {"losses": torch.stack(losses), "end": centre}


def main():
    generator = torch.Generator().manual_seed(7)
    net = network(generator)
    noises = torch.randn(8, *SHAPE, generator=generator, dtype=torch.float32).double()
    start = noises[0]
    adam = lambda parameters: torch.optim.Adam(parameters, lr=0.1, eps=1e-2)
    sgd = lambda parameters: torch.optim.SGD(parameters, lr=5, momentum=0.9, nesterov=True)
    made = {**net, "noises": noises, "white": torch.stack([white_noise(z) for z in noises])}
    runs = {
        "reno": run(net, start, STEPS, sgd, 0.1, 0.01),
        "gradient": run(net, start, STEPS, adam, 0.03, 0, "gradient"),
        "latents": run(net, start, STEPS, sgd, 0.1, 0.01, "latents"),
        "both": run(net, start, STEPS, adam, 0.03, 0, "both"),
    }
    judged = torch.stack([total(net, z) for z in noises])
    best = judged.argsort()[:2]
    chains = [run(net, noises[i], 4, sgd, 0.1, 0.01) for i in best]
    runs["multi_start"] = {
        "losses": torch.cat([judged, *(chain["losses"] for chain in chains)]),
        "draws": best.double(),
        "gradients": torch.cat([chain["gradients"][:-1] for chain in chains]),
    }
    draws = torch.randn(6, *SHAPE, generator=generator, dtype=torch.float32).double()
    made["draws"] = draws
    runs["zeroth_order"] = zeroth_order(net, start, draws)
    orders = torch.stack([torch.randperm(N, generator=generator) for _ in range(STEPS)])
    made["orders"] = orders.double()
    runs["spectrum"] = run_by_spectrum(net, start, orders, sgd, 0.1, 0.5)
    for name, values in runs.items():
        made |= {f"{name}.{key}": value for key, value in values.items()}
    path = Path(__file__).parents[2] / "parity/search_methods.safetensors"
    metadata = {"made_by": "python/reference/search_methods.py", "torch": torch.__version__}
    save_file({key: value.float().contiguous() for key, value in made.items()}, path, metadata)
    print({key: values["losses"][[0, -1]].tolist() for key, values in runs.items()})


main()

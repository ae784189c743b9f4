"""What the scripts of the rewards' folders share: the reference's preprocess, small tokenizers, seeded weights, writing.

Imported by open_clip_rewards.py and published_rewards.py. torchvision's own transforms make the preprocess; a torchvision
that was built for another torch serves too, as its compiled operators are not used.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from versions import versions

try:
    import torchvision.transforms as T
except RuntimeError:  # Its operators did not load, so it has none to describe to torch.
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    register_fake, torch.library.register_fake = torch.library.register_fake, lambda *_, **__: lambda f: f
    import torchvision.transforms as T

    torch.library.register_fake = register_fake

PROMPT = "a red cat, and two dogs"
WORDS = ["a", "red", "cat", ",", "and", "two", "dog", "##s", "blue"]


def preprocess(image, size):
    """As the ReNO reference: on a tensor [N,3,H,W] in [0,1]."""
    return T.Compose([
        T.Resize(size, interpolation=T.InterpolationMode.BICUBIC, antialias=True),
        T.CenterCrop(size),
        T.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ])(image)


def tokenizer(folder, words, start, end, pad, max_length):
    """A WordPiece of a few words that opens and closes as the real one; written to `folder`, and returned padding."""
    vocab = {word: i for i, word in enumerate(words)}
    t = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(f"{start} $A {end}", special_tokens=[(s, vocab[s]) for s in (start, end)])
    t.add_special_tokens([s for s in words if s[0] in "[<"])
    t.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"pad_token": pad, "model_max_length": max_length})
    t.enable_padding(pad_id=vocab[pad], pad_token=pad, length=max_length)
    return t


def clip_tokenizer(folder, max_length):
    """The end-of-text token has the highest id, as in CLIP."""
    return tokenizer(folder, ["<pad>", "[UNK]", *WORDS, "<start>", "<end>"], "<start>", "<end>", "<pad>", max_length)


def bert_tokenizer(folder, max_length):
    return tokenizer(folder, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS], "[CLS]", "[SEP]", "[PAD]", max_length)


def seeded(model, seed, half=True):
    """Weights large enough that every part of the network matters to the output; rounded to f16, as such files store them."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=g)
            if name.endswith("logit_scale"):
                p.fill_(1.5)
            elif p.ndim == 1 and "class_embedding" not in name:
                p.copy_(1 + 0.2 * noise if name.endswith("weight") else 0.2 * noise)
            elif any(part in name for part in ("class_embedding", "positional_embedding", "token_embedding", "position", "word_", "cls_")):
                p.copy_(0.7 * noise)
            else:
                p.copy_(noise * p[0].numel() ** -0.5)
            if half:
                p.copy_(p.half().float())
    return model.eval()


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_golden(folder, shape, offset, score, seed):
    """`score` of a seeded picture [N,3,H,W], the loss offset - score, and its gradient, in f64, channels last."""
    image = torch.rand(shape, generator=torch.Generator().manual_seed(seed)).double().requires_grad_()
    value = score(image)
    loss = offset - value
    (gradient,) = torch.autograd.grad(loss.sum(), image)
    last = lambda x: x.detach().float().permute(0, 2, 3, 1).contiguous()
    tensors = {"image": last(image), "score": value.detach().float().contiguous(), "loss": loss.detach().float().contiguous()}
    save_file(tensors | {"gradient": last(gradient)}, folder / "golden.safetensors", metadata={"prompt": PROMPT, "versions": versions()})
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{folder.name}: loss {loss.tolist()}, gradient {gradient.norm():.3g}, {size / 1024:.0f} KiB")


def out_folder(name):
    folder = Path(sys.argv[1]) / "rewards" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder

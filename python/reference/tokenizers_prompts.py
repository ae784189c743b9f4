"""Token ids of the benchmarks' prompts by the Python libraries, as hashes, for test/models/tokenizers/tokenizers_prompts.test.ts.

    python python/reference/tokenizers_prompts.py DATA > parity/tokenizers_prompts.json

DATA holds prompts/{geneval,t2i-compbench,parti} and tokenizers/{clip,t5,bert}. Ids are those of `tokenizers`, neither cut nor
padded. For each list: how many prompts, and the SHA-256 of them; for each list and tokenizer the first four bytes of the
SHA-256 of every prompt's ids (as little-endian u32), joined, in base64. What the original tokenizers say (sentencepiece,
open_clip's for HPSv2) is compared on the way, and the numbers of prompts where they differ are printed.
"""
import base64
import hashlib
import json
import struct
import sys
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer

import reward_folders  # noqa: F401  before open_clip, which imports torchvision
import open_clip


def prompts(data):
    """The same lists as in the test, line ends apart as the files have them."""
    lines = lambda path: [line.strip() for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    compbench = [p for file in sorted((data / "t2i-compbench").glob("*.txt")) if file.name != "License.txt" for p in lines(file)]
    # Quotes are part of the prompts: the file is tab-separated and quotes nothing.
    parti = [line.split("\t")[0].strip() for line in lines(data / "parti" / "PartiPrompts.tsv")[1:]]
    return {"geneval": lines(data / "geneval" / "generation_prompts.txt"), "t2i-compbench": list(dict.fromkeys(compbench)), "parti": parti}


def sha(data):
    return hashlib.sha256(data).digest()


def originals(data):
    """The first tokenizers of CLIP and T5, as ids with the special tokens."""
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(data / "tokenizers/t5/spiece.model"))
    simple = open_clip.SimpleTokenizer()
    return {
        "t5": lambda text: [*pieces.encode(text), pieces.eos_id()],
        "clip": lambda text: [simple.sot_token_id, *simple.encode(text), simple.eot_token_id],
    }


def encoders(data):
    """Text to ids; the last is what HPSv2 reads, which cleans the text before (ftfy)."""
    for name in ("clip", "t5", "bert"):
        tokenizer = Tokenizer.from_file(str(data / "tokenizers" / name / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        yield name, lambda text: tokenizer.encode(text).ids
    yield "open_clip", originals(data)["clip"]


def main(data):
    lists = prompts(data / "prompts")
    out = {"lists": {name: {"count": len(p), "sha256": sha("\n".join(p).encode()).hex()} for name, p in lists.items()}, "ids": {}}
    other = originals(data)
    for name, encode in encoders(data):
        out["ids"][name] = {}
        for key, texts in lists.items():
            ids = [encode(text) for text in texts]
            hashes = [sha(struct.pack(f"<{len(i)}I", *i))[:4] for i in ids]
            out["ids"][name][key] = base64.b64encode(b"".join(hashes)).decode()
            if name in other:
                differ = [text for text, i in zip(texts, ids) if other[name](text) != i]
                print(f"{name}, {key}: {len(differ)} of {len(texts)} differ from the original tokenizer", *differ, sep="\n  ", file=sys.stderr)
    json.dump(out, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Token ids pinned by the Python `tokenizers` library, for test/models/tokenizers/tokenizers.test.ts.

    python python/reference/tokenizers_fixture.py FOLDER [FOLDER ...] > parity/tokenizers.json

Each folder holds tokenizer.json; the last part of its path is the key. Neither cut nor padded.
"""
import json
import os
import sys

from tokenizers import Tokenizer

TEXTS = [
    "a photo of a cat",
    "A Photo of four RED bananas, please!  3 zebras",
    "two dogs, left of the café's blue umbrella (naïve über-test)",
    "“smart quotes” — dashes… 50% off & more #1 @home",
    "don't they're we've I'd it's",
    "日本語 the 猫 🐱 emoji",
    "  leading and   inner\tspace \n",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "",
]

if __name__ == "__main__":
    out = {"texts": TEXTS, "ids": {}}
    for folder in sys.argv[1:]:
        t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        t.no_truncation()
        t.no_padding()
        out["ids"][os.path.basename(folder.rstrip("/"))] = [t.encode(x).ids for x in TEXTS]
    json.dump(out, sys.stdout, ensure_ascii=False, indent=None, separators=(",", ":"))

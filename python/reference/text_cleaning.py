"""3,000 odd texts with what the reference's tokenizers make of them, for test/models/tokenizers/odd_texts.test.ts.

    python python/reference/text_cleaning.py DATA > parity/odd_texts.json.gz

DATA holds prompts/{geneval,t2i-compbench,parti} and tokenizers/{clip,t5,bert}. The reference's environment: transformers 4.38.2 (tokenizers 0.15), ftfy 6.3.1, sentencepiece, and
open_clip_torch for HPSv2's tokenizer. Written: the texts, and for each cleaning or tokenizer the first four bytes of the SHA-256
of every result, joined, in base64; ids are hashed as little-endian u32. For each list of prompts, one SHA-256 over the same bytes
of every prompt. Characters are those of Python's Unicode version.
"""
import base64
import gzip
import hashlib
import json
import random
import struct
import sys
import tempfile
import unicodedata
from pathlib import Path

from tokenizers_prompts import prompts  # First: it makes open_clip importable.

import ftfy
import ftfy.bad_codecs  # noqa: F401  the sloppy codecs
import open_clip
from ftfy.chardata import CHARMAP_ENCODINGS, HTML_ENTITIES, LIGATURES
from html.entities import html5
from open_clip.tokenizer import basic_clean, whitespace_clean
from transformers import BertTokenizer, CLIPTokenizer, T5Tokenizer
from tokenizers import Tokenizer

SEED, COUNT = 20241129, 3000
WORDS = (
    "a photo of the red cat’s hat … “café” naïve über façade Åland piñata señor L’été à la mode — déjà vu 50 € £3 ½ 日本語 猫 한국어 Привет мир "
    "Ελλάδα ΣΊΣΥΦΟΣ Việt Nam tiếng عربي עברית हिन्दी ไทย 🐱 👩‍👩‍👧 🏴 don't they're I'd WE'VE it's x² H₂O №5 ™ © ® · • “quote” ‘single’ "
    "‚low‘ „German“ «guillemets» İstanbul straße ǅ ﬁne ﬂow oﬃce ＬＯＵＤ ﾊﾝｶｸ　１２３ 3.14 #1 50% R&D A&B <b>bold</b> a<b 1/2 C++ co-op _under_ \\back"
).split(" ")
SPACES = [" ", " ", " ", "  ", "\t", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000", "\u200b", "\ufeff", "\u1680"]
MARKS = ["\u0300", "\u0301", "\u0302", "\u0303", "\u0308", "\u030a", "\u030c", "\u0323", "\u0327", "\u0345", "\u05b0", "\u064b", "\u3099", "\u0338"]
CONTROLS = ["\x00", "\x07", "\x08", "\x1b[31m", "\x1b[0m", "\x1b", "\x7f", "\x90", "\x99", "\u200d", "\u200e", "\u202e", "\u206a", "\ufff9", "\ufffc", "\ufffd", "\ufffe", "\ue000", "\xad"]
LETTERS = "aeiouAEIOUyncszêâôŵươΑαИиかハÅåéẹ"


def words(rng, most=5):
    return "".join(rng.choice(WORDS) + rng.choice(SPACES if rng.random() < 0.3 else [" "]) for _ in range(rng.randint(1, most)))


def mojibake(rng):
    """UTF-8 read in a single-byte encoding, once or twice, perhaps damaged."""
    text = words(rng)
    for _ in range(rng.choice([1, 1, 1, 2])):
        encoding = rng.choice(CHARMAP_ENCODINGS)
        text = text.encode("utf-8", "replace").decode(encoding, "replace")
    if rng.random() < 0.3:
        text = text.replace("\xa0", " ")
    if rng.random() < 0.2:
        text = text.replace(rng.choice(list(text)), "\ufffd")
    return rng.choice(["", words(rng)]) + text + rng.choice(["", words(rng)])


def cesu8(rng):
    units = rng.choice("🐱👩🏴𝒥").encode("utf-16-be")
    data = b"".join(chr(int.from_bytes(units[i : i + 2], "big")).encode("utf-8", "surrogatepass") for i in (0, 2))
    return words(rng) + (data + rng.choice([b"", b"\xc0\x80"])).decode(rng.choice(["latin-1", "sloppy-windows-1252"])) + words(rng)


def entities(rng):
    def one():
        name = rng.choice(sorted(html5))
        return rng.choice(
            [
                "&" + name,
                "&" + name.rstrip(";"),
                "&" + name.rstrip(";") + "x",
                "&" + name.upper(),
                rng.choice(sorted(HTML_ENTITIES)),
                f"&#{rng.choice([0, 9, 38, 65, 128, 150, 159, 233, 0x1F431, 0xD800, 0xFFFF, 0x110000, 10**9])};",
                f"&#x{rng.choice(['e9', '2019', '1F431', 'D83D', 'feff', '80', '0'])}{rng.choice([';', '', ';;'])}",
                "&amp;" + name,
                "&amp;amp;lt;",
                "& ",
                "&;",
                "&#;",
                "&lt;b&gt;",
            ]
        )

    return "".join(rng.choice([one(), words(rng, 2)]) for _ in range(rng.randint(1, 5)))


def marks(rng):
    return "".join(rng.choice(LETTERS) + "".join(rng.choices(MARKS, k=rng.choice([0, 1, 1, 2, 3]))) + rng.choice(["", "", " "]) for _ in range(rng.randint(1, 8)))


def odd(rng):
    pool = [*CONTROLS, *SPACES, *map(chr, LIGATURES), *[chr(c) for c in range(0xFF01, 0xFFF0, 7)], *"“”‘’‚„‛‟ʼ…—"]
    return "".join(rng.choice([rng.choice(pool), rng.choice(WORDS)]) for _ in range(rng.randint(1, 8)))


def anything(rng):
    """Assigned characters of all planes."""

    def one():
        while True:
            c = chr(rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x20, 0xD800), rng.randrange(0xE000, 0x10000), rng.randrange(0x10000, 0x20000)]))
            if unicodedata.category(c) not in ("Cn", "Cs"):
                return c

    return "".join(rng.choice([one(), one(), " "]) for _ in range(rng.randint(1, 10)))


def lines(rng):
    return "".join(words(rng, 2) + rng.choice(["\n", "\r\n", " <b>\n", "&lt;\n"]) for _ in range(rng.randint(2, 4)))


def texts():
    rng = random.Random(SEED)
    kinds = [mojibake, mojibake, mojibake, cesu8, entities, entities, marks, marks, odd, odd, anything, lines, words]
    return ["\ufeff" * (rng.random() < 0.05) + rng.choice(kinds)(rng) for _ in range(COUNT)]


def bert(data):
    vocab = json.loads((data / "bert/tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(sorted(vocab, key=vocab.get)) + "\n")
        file.flush()
        return BertTokenizer(file.name)


def for_tokenizers_0_15(text):
    """The same tokenizer without a key that this version does not know yet."""
    whole = json.loads(text)
    for part in ("pre_tokenizer", "decoder"):
        del whole[part]["split"]
        whole[part]["add_prefix_space"] = True
    return json.dumps(whole)


def tokenizers(data):
    """Text to ids, or to the cleaned text."""
    simple = open_clip.SimpleTokenizer()
    rust = Tokenizer.from_file(str(data / "clip/tokenizer.json"))
    clip = CLIPTokenizer(str(data / "clip/vocab.json"), str(data / "clip/merges.txt"))
    t5 = T5Tokenizer(str(data / "t5/spiece.model"), legacy=True)
    t5_fast = Tokenizer.from_str(for_tokenizers_0_15((data / "t5/tokenizer.json").read_text(encoding="utf-8")))
    return {
        "open_clip_text": lambda text: whitespace_clean(basic_clean(text)).lower(),
        "clip_text": lambda text: " ".join(ftfy.fix_text(text).split()).lower(),
        "open_clip": lambda text: [simple.sot_token_id, *simple.encode(text), simple.eot_token_id],
        "clip": lambda text: clip(text).input_ids,
        "clip_fast": lambda text: rust.encode(text).ids,
        "t5": lambda text: t5(text).input_ids,
        "t5_fast": lambda text: t5_fast.encode(text).ids,
        "bert": bert(data),
    }


def hashed(result):
    data = result.encode("utf-8", "surrogatepass") if isinstance(result, str) else struct.pack(f"<{len(result)}I", *result)
    return hashlib.sha256(data).digest()[:4]


def main(data):
    odd_texts, lists = texts(), prompts(data / "prompts")
    results, of_lists = {}, {}
    for name, encode in tokenizers(data / "tokenizers").items():
        result = lambda text: (lambda made: made if isinstance(made, (str, list)) else made.input_ids)(encode(text))
        made = [result(text) for text in odd_texts]
        of_lists[name] = {key: hashlib.sha256(b"".join(hashed(result(p)) for p in each)).hexdigest() for key, each in lists.items()}
        results[name] = base64.b64encode(b"".join(map(hashed, made))).decode()
        if len(sys.argv) > 2:  # A folder for the full results, to look at differences.
            Path(sys.argv[2], f"{name}.json").write_text(json.dumps(made), encoding="utf-8", errors="surrogatepass")
    whole = json.dumps({"texts": odd_texts, "results": results, "lists": of_lists}, separators=(",", ":")).encode()
    sys.stdout.buffer.write(gzip.compress(whole, 9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

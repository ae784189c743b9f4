"""Writes the tables of src/models/tokenizers/cleaning/tables.ts, which clean prompts as ftfy and html.unescape do.

    python python/reference/text_cleaning_tables.py > src/models/tokenizers/cleaning/tables.ts

Sources: ftfy 6.3.1 (Robyn Speer, Apache License 2.0; NOTICE.md says what is changed), and Python's html.entities and codecs.
"""
import html
import html.entities
import json
import re
import sys

import ftfy
from ftfy import badness, chardata


def js(text):
    """The text as a string of JavaScript: printable characters as they are."""
    quoted = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    unprintable = lambda m: f"\\u{ord(m[0]):04x}" if ord(m[0]) < 0x10000 else f"\\u{{{ord(m[0]):x}}}"
    return "'" + re.sub(r"[^ -~]", lambda m: m[0] if m[0].isprintable() and not re.match(r"[\u0300-\u036f\s]", m[0]) else unprintable(m), quoted) + "'"


def expression(pattern):
    """A verbose expression of Python in JavaScript's syntax, with the flag u."""
    out, in_class, i = [], False, 0
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            out.append({"s": r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000", "w": r"\p{L}\p{N}_"}.get(pattern[i + 1], c + pattern[i + 1]))
            if pattern[i + 1] in "sw" and not in_class:
                out[-1] = f"[{out[-1]}]"
            i += 2
            continue
        if in_class:
            in_class = c != "]"
            out.append("\\" + c if c in "[{}()|^$" and out[-1] != "[" else c)
        elif c == "[":
            in_class = True
            out.append(c)
        elif c == "#":
            i = pattern.index("\n", i)
        elif not c.isspace():
            out.append("[^\\n]" if c == "." else c)
        i += 1
    return "".join(out)


def charmap(encoding):
    """The characters of bytes 0x80 to 0xff."""
    return bytes(range(0x80, 0x100)).decode(encoding)


def main():
    names = html.entities.html5
    old = [name for name in names if not name.endswith(";")]
    assert all(names[name] == names[name + ";"] for name in old)
    full = {name[:-1]: text for name, text in names.items() if name.endswith(";")}
    assert not any(" " in text for text in full.values())
    pairs = lambda table: " ".join(f"{name} {text}" for name, text in table.items())
    charmaps = ",\n".join(f"  [{js(name)}, {js(charmap(name))}]" for name in chardata.CHARMAP_ENCODINGS)
    print(f"""/**
 * Tables for cleaning prompts, written by python/reference/text_cleaning_tables.py: do not edit.
 * Sources: ftfy {ftfy.__version__} (Apache License 2.0, see NOTICE.md); Python's html.entities.
 */

/** HTML's names without the semicolon, each with its text. */
export const ENTITIES: string =
  {js(pairs(full))};

/** The names that need no semicolon. */
export const OLD_ENTITIES: string =
  {js(" ".join(old))};

/** Ligatures, each with its letters. */
export const LIGATURES: string =
  {js(pairs({chr(c): text for c, text in chardata.LIGATURES.items()}))};

/** Encodings in the order of trying, with the characters of bytes 0x80 to 0xff. */
export const CHARMAPS: readonly (readonly [name: string, upper: string])[] = [
{charmaps},
];

/** Matches text that looks like mojibake. */
export const BADNESS: string =
  {js(expression(badness.BADNESS_RE.pattern))};

/** Matches UTF-8 that was read in one of the encodings. */
export const UTF8_DETECTOR: string =
  {js(expression(chardata.UTF8_DETECTOR_RE.pattern))};""")


if __name__ == "__main__":
    main()

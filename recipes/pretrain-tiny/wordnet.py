"""WordNet's database files as plain records."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FOLDER = "usr/share/wordnet"
PARTS = {"noun": "noun", "verb": "verb", "adj": "adjective", "adv": "adverb"}
# Seen at least so often in WordNet's tagged texts: words that a reader knows.
COMMON_COUNT = 4


@dataclass(frozen=True)
class Sense:
    """One meaning: its first word, the part of speech, and the gloss."""

    word: str
    part: str
    gloss: str


def senses(content: Path) -> list[Sense]:
    """All senses in ASCII, in the files' order, each gloss once."""
    found = {}
    for suffix, part in PARTS.items():
        lines = (content / FOLDER / f"data.{suffix}").read_text(encoding="latin-1").splitlines()
        for line in lines:
            sense = _sense(line, part)
            if sense is not None:
                found.setdefault(sense.gloss, sense)
    return list(found.values())


def common_words(content: Path) -> list[str]:
    """Short frequent words, in alphabetical order."""
    counts = Counter()
    for line in (content / FOLDER / "cntlist.rev").read_text(encoding="latin-1").splitlines():
        key, _, count = line.split()
        counts[key.partition("%")[0]] += int(count)
    return sorted(word for word, count in counts.items()
                  if count >= COMMON_COUNT and re.fullmatch("[a-z]{3,8}", word))


def _sense(line: str, part: str) -> Sense | None:
    """One line of a data file; lines that start with a space are the licence."""
    if line.startswith(" "):
        return None
    head, _, gloss = line.partition(" | ")
    word = head.split()[4].replace("_", " ").partition("(")[0]
    gloss = " ".join(gloss.split())
    return Sense(word, part, gloss) if gloss and (word + gloss).isascii() else None

"""Sizes as a ratchet: what is over a limit is listed here and may only shrink."""

import json
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LIMITS = {"header": 150, "source": 500, "function": 70}
LEDGER = Path(__file__).with_name("sizes.json")
# A function's body ends at the first closing brace in the first column of its own indentation.
START = re.compile(r"^(?P<indent> {0,4})\S.*\) ?(?:const|noexcept|override|final|-> [\w:<>, *&]+| )*\{$")


def functions(text):
    """(line, length) of every function, found by its closing brace's indentation."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        match = START.match(line)
        if not match or line.lstrip().startswith(("if", "for", "while", "switch", "}", "namespace")):
            continue
        for end in range(start + 1, len(lines)):
            if lines[end].startswith(match["indent"] + "}"):
                yield start + 1, end - start + 1
                break


def oversize():
    found = {}
    for file in sorted((REPOSITORY / "src").rglob("*")):
        if file.suffix not in (".h", ".cpp"):
            continue
        name = str(file.relative_to(REPOSITORY))
        text = file.read_text()
        kind = "header" if file.suffix == ".h" else "source"
        if text.count("\n") > LIMITS[kind]:
            found[name] = text.count("\n")
        longest = max((length for _, length in functions(text)), default=0)
        if longest > LIMITS["function"]:
            found[f"{name} longest function"] = longest
    return found


def test_nothing_grows_over_its_limit():
    allowed = json.loads(LEDGER.read_text())
    found = oversize()
    grown = {name: size for name, size in found.items() if size > allowed.get(name, 0)}
    assert grown == {}, f"over {LIMITS}; find the missing concept instead of raising sizes.json"


def test_the_ratchet_is_tight():
    allowed = json.loads(LEDGER.read_text())
    found = oversize()
    loose = {name: size for name, size in allowed.items() if found.get(name, 0) < size}
    assert loose == {}, "these shrank: write the smaller size into sizes.json, or take the line out"

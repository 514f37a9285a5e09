#!/usr/bin/env python3
"""Write the data of the ticket-triage task: train.jsonl, known.jsonl, new.jsonl.

A support ticket goes in, a JSON object with category and priority comes out. `known` holds unseen
tickets in the training data's phrasing; `new` describes the same kinds of problem in sentences that
training has never seen, so it shows how far the tuned model generalises. The same seed gives the
same bytes.
"""

import argparse
import json
from pathlib import Path
from random import Random

from phrases import CLOSINGS, OPENINGS, PEOPLE, PRIORITIES, PROBLEMS, PATHS

INSTRUCTION = "Sort this ticket: "
# How often a writer says how urgent it is before saying what is wrong.
URGENCY_FIRST = 0.3


def ticket(random: Random, phrasing: str) -> tuple[str, str]:
    """One ticket and its answer; `phrasing` is "known" or "new"."""
    category = random.choice(sorted(PROBLEMS))
    priority = random.choice(sorted(PRIORITIES))
    problem = _filled(random, random.choice(PROBLEMS[category][phrasing]))
    middle = [problem, random.choice(PRIORITIES[priority])]
    if random.random() < URGENCY_FIRST:
        middle.reverse()
    closing = random.choice(CLOSINGS).format(person=random.choice(PEOPLE))
    parts = [random.choice(OPENINGS), *middle, closing]
    answer = json.dumps({"category": category, "priority": priority})
    return INSTRUCTION + " ".join(part for part in parts if part), answer


def distinct(random: Random, phrasing: str, count: int, seen: set[str]) -> list[dict]:
    """`count` records whose tickets are not in `seen`; adds them to it."""
    records = []
    while len(records) < count:
        question, answer = ticket(random, phrasing)
        if question not in seen:
            seen.add(question)
            records.append(record(question, answer))
    return records


def record(question: str, answer: str) -> dict:
    """One line of chat JSONL."""
    return {"messages": [{"role": "user", "content": question},
                         {"role": "assistant", "content": answer}]}


def write(folder: Path, seed: int, counts: dict[str, int]) -> None:
    """Write all files; each has a generator of its own, so that sizes do not change other files."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    for name, count in counts.items():
        phrasing = "new" if name == "new" else "known"
        records = distinct(Random(f"{seed} {name}"), phrasing, count, seen)
        lines = "".join(json.dumps(each) + "\n" for each in records)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def _filled(random: Random, pattern: str) -> str:
    """A problem as a sentence, with machine, path and job made up."""
    text = pattern.format(
        path=random.choice(PATHS), node=f"node{random.randint(1, 80)}",
        other=f"node{random.randint(81, 160)}", job=random.randint(1000, 99999))
    return text[0].upper() + text[1:]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files are written")
    parser.add_argument("--train", type=int, default=3000, help="training tickets (default 3000)")
    parser.add_argument("--known", type=int, default=200, help="unseen tickets, known phrasing")
    parser.add_argument("--new", type=int, default=200, help="tickets in new phrasing")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    counts = {"train": given.train, "known": given.known, "new": given.new}
    if min(counts.values()) < 1:
        parser.error("every count must be at least 1")
    write(given.folder, given.seed, counts)


if __name__ == "__main__":
    main()

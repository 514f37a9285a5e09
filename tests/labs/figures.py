"""What a soak test measured, kept in tests/SOAK.md: one line a run, so that a change is a diff."""

import os
import time

from conftest import REPOSITORY

FILE = REPOSITORY / "tests/SOAK.md"


def record(topic: str, what: str, figures: dict):
    """Replaces the line of the same topic and thing."""
    lines = FILE.read_text().splitlines()
    name = f"- {topic}, {what}:"
    said = ", ".join(f"{key} {value}" for key, value in figures.items())
    line = f"{name} {said} ({time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores)"
    kept = [old for old in lines if not old.startswith(name)]
    FILE.write_text("\n".join([*kept, line]) + "\n")

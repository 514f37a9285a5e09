"""A machine that is up with the small base and the tickets, for runs of a few steps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
FINAL = {"succeeded", "refused", "failed", "cancelled", "lost"}
# Two training programs and an engine share two cores with whatever else the tests run.
PATIENCE = 600.0


class Tuning:
    """`sust tune` against one root, by its JSON."""

    def __init__(self, sust):
        self.sust = sust

    def start(self, *arguments, **settings):
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        return self.sust.json("tune", "start", "sft-lora", "--base", "tiny", "--data", "tickets",
                              "--eval", "known", *arguments, *words)["id"]

    def show(self, run):
        return self.sust.json("tune", "show", run)

    def end(self, run):
        """The run when nothing is at work on it any more."""
        return wait_for(f"an end of {run}", lambda: self._if_final(run), within=PATIENCE)

    def step(self, run, at_least):
        """Waits until training has come so far."""
        def far_enough():
            shown = self.show(run)
            assert shown["state"] not in FINAL, shown["reason"]
            progress = shown["progress"]
            return progress and progress["stage"] == "train" and progress["step"] >= at_least and progress["step"]
        return wait_for(f"step {at_least} of {run}", far_enough, within=PATIENCE)

    def steps_told(self, run):
        """Every step that the training program has told, over all attempts."""
        lines = (self.sust.root / "data/runs" / run / "progress.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in lines]
        return [line["step"] for line in told if line["stage"] == "train"]

    def _if_final(self, run):
        shown = self.show(run)
        return shown if shown["state"] in FINAL else None


def tickets(folder):
    subprocess.run([sys.executable, REPOSITORY / "examples/tickets/make.py", folder], check=True)
    for name, count in (("train", 120), ("known", 8)):
        lines = (folder / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (folder / f"{name}.jsonl").write_text("".join(lines[:count]))


@pytest.fixture
def tuning(sust_with_base, tmp_path):
    sust = sust_with_base
    tickets(tmp_path)
    sust.run("data", "add", tmp_path / "train.jsonl", "--name", "tickets")
    sust.run("data", "add", tmp_path / "known.jsonl", "--name", "known")
    return Tuning(sust)

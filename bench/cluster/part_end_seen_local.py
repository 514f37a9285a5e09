"""How long after the end of a command the controller of this machine knows of it: 100 jobs of `true`, one after the
other, from the time in exit.json to the time of the job's end in sustd."""

import datetime
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from conftest import Sust

JOBS = 100
DEADLINE_SECONDS = 60


def at(time_text):
    return datetime.datetime.fromisoformat(time_text.replace("Z", "+00:00"))


def end_of(sust, job):
    last = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < last:
        shown = sust.json("job", "show", job)
        if shown["final"]:
            return shown
    sys.exit(f"bench cluster: {job} did not end in {DEADLINE_SECONDS} s")


def measure(build):
    folder = Path(tempfile.mkdtemp(prefix="sust-bench-"))
    sust = Sust(build, folder / "root")
    try:
        sust.up()
        file = folder / "job.toml"
        file.write_text('command = ["true"]\ncpus_per_task = 0\n')
        late = []
        for _ in range(JOBS):
            shown = end_of(sust, sust.json("job", "submit", file)["id"])
            late.append((at(shown["finished"]) - at(shown["attempts"][-1]["finished"])).total_seconds() * 1000)
        yield "end_seen_local", statistics.median(late), "ms", None, None
        yield "end_seen_local_p99", statistics.quantiles(late, n=100)[98], "ms", None, None
    finally:
        sust.close()
        shutil.rmtree(folder, ignore_errors=True)

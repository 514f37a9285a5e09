"""simulated_scale: CPU per event of a simulated site of 10,000 nodes, from 1,000 to 50,000 jobs that are all submitted
at once. An event is a line of the site's log: a job submitted, given its nodes, begun, ended. What the program takes
to start and to make the nodes is measured beside it and taken off."""

import json
import os
import tempfile
from pathlib import Path

SITE = """
clock = "manual"
seed = 5
[nodes.n]
names = "n"
count = {nodes}
cores = 64
[[load]]
count = {jobs}
least_nodes = 1
most_nodes = 64
duration = {{ least = "10m", mean = "1h", most = "4h" }}
limit = "4h"
"""


def play(build, nodes, jobs):
    """CPU seconds, peak bytes and the report of one site that is played to its end."""
    with tempfile.TemporaryDirectory(prefix="sust-bench-") as folder:
        site, out = Path(folder) / "SITE.toml", Path(folder) / "out"
        site.write_text(SITE.format(nodes=nodes, jobs=jobs))
        pid = os.posix_spawn(
            str(build / "bin/sust"), ["sust", "--quiet", "--json", "simulate", str(site), "--until", "60d"],
            {"PATH": "/usr/bin:/bin", "HOME": folder},
            file_actions=[(os.POSIX_SPAWN_OPEN, 1, str(out), os.O_WRONLY | os.O_CREAT, 0o600)])
        _, status, used = os.wait4(pid, 0)
        assert status == 0, f"sust simulate ended with {os.waitstatus_to_exitcode(status)}"
        report = json.loads(out.read_text())
    assert report["ended"] == {"completed": jobs}, report
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, report


def per_event(build, nodes, jobs, rounds):
    """Microseconds: the least of some rounds, since others on the machine only ever add."""
    idle = min(play(build, nodes, 1)[0] for _ in range(rounds))
    runs = [play(build, nodes, jobs) for _ in range(rounds)]
    return (min(cpu for cpu, _, _ in runs) - idle) / runs[0][2]["events"] * 1e6, max(size for _, size, _ in runs)


def measure(build):
    few, _ = per_event(build, 10_000, 1_000, 15)
    many, size = per_event(build, 10_000, 50_000, 5)
    yield "simulated_event_1000_jobs", few, "us", None, None
    yield "simulated_scale", many, "us", many / few, "1,000 jobs"
    yield "simulated_memory_50000_jobs", size / 2**20, "MiB", None, None

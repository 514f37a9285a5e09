"""What the parts share: a sustd in front of a lab, its API on one connection, and what a process has used."""

import contextlib
import datetime
import http.client
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path

from cluster.sites import SlurmSite
from conftest import Sust, wait_for

END_SECONDS = 300
START_SECONDS = 300
TICK = os.sysconf("SC_CLK_TCK")


class Api(http.client.HTTPConnection):
    """The control API on one kept connection, as a program uses it."""

    def __init__(self, sust):
        super().__init__("localhost", timeout=120)
        self.path = str(sust.root / "run/api.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, method, target, body=None):
        self.request(method, f"/api/v1/{target}", body and json.dumps(body))
        answer = self.getresponse()
        said = json.loads(answer.read())
        if answer.status >= 300:
            raise RuntimeError(f"{method} {target}: {answer.status} {said}")
        return said

    def submit(self, backend, command, **more):
        return self.call("POST", "jobs", {"command": command, "placement": [{"backend": backend}], **more})["id"]

    def show(self, job):
        return self.call("GET", f"jobs/{job}")


@contextlib.contextmanager
def sust_of(build, site):
    """(Sust, Api) of an installation of its own, with that site (tests/cluster/sites.py) as its back end."""
    folder = Path(tempfile.mkdtemp(prefix="sust-bench-"))
    sust = Sust(build, folder / "root")
    try:
        lines = site.configure(sust.root)
        if lines:
            (sust.root / "config").mkdir(parents=True, exist_ok=True)
            (sust.root / "config/backends.toml").write_text(lines)
        sust.up()
        site.ready(sust)
        yield sust, Api(sust)
    finally:
        sust.close()
        shutil.rmtree(folder, ignore_errors=True)


def restart(sust):
    """kill -9 of sustd; the process that follows it, once that has found its jobs again."""
    old = sust.pid("sustd")
    os.kill(old, signal.SIGKILL)
    wait_for("sustd is back", lambda: sust.pid("sustd") != old and
             sust.run("backend", "ls", check=False).returncode == 0, within=START_SECONDS)
    return sust.pid("sustd")


def slurmrestd_site(lab):
    """The lab as a back end that is asked by slurmrestd."""
    file = lab.directory / "bench.token"
    file.touch(0o600)
    file.write_text(lab.rest.token(lifespan_seconds=7200))
    return SlurmSite(lab, f'rest = "{lab.rest.address}"\ntoken_file = "{file}"\n')


def cpu(pid):
    """Seconds of the process itself, and of its children that have ended."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, children = (sum(map(int, words[first:first + 2])) / TICK for first in (11, 13))
    return own, children


def memory(pid, key="VmRSS"):
    """Bytes; VmHWM is the most there ever was."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def seconds_between(earlier, later):
    return (moment(later) - moment(earlier)).total_seconds()


def ends_of(api, jobs):
    """What is shown of each, once all have ended; a job that does not complete ends the run."""
    last = time.monotonic() + END_SECONDS
    left, shown = set(jobs), {}
    while left:
        for job in sorted(left):
            shown[job] = api.show(job)
        left = {job for job in left if not shown[job]["final"]}
        if time.monotonic() > last:
            raise TimeoutError(f"{len(left)} jobs did not end in {END_SECONDS} s, the first: {shown[min(left)]}")
        time.sleep(0.05)
    bad = [one for one in shown.values() if one["end"] != "completed"]
    assert not bad, bad[0]
    return list(shown.values())

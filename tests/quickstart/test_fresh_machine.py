"""Both commands of the README in a fresh clone on a Debian that has nothing else, as root and as a plain user."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY
from labs.debian import CACHE, Machine
from labs.figures import record

pytestmark = [pytest.mark.soak, pytest.mark.timeout(4 * 3600),
              pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root")]


@pytest.fixture(scope="module", params=["root", "plain"])
def machine(request):
    """(machine, user, clone): nothing is installed but what a site gives its users: sudo."""
    user = request.param
    folder = Path(tempfile.mkdtemp(prefix="sust-fresh-", dir="/var/tmp"))
    made = Machine(folder / "machine")
    home = "/root"
    if user != "root":
        done = made.run("apt-get -q update && apt-get -q install -y --no-install-recommends sudo &&"
                        f" useradd -m -s /bin/bash {user} &&"
                        f" echo '{user} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{user}", timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        home = f"/home/{user}"
    clone = f"{home}/sust"
    subprocess.run(["git", "clone", "-q", REPOSITORY, made.inside(clone)], check=True)
    owner = made.inside(home).stat()
    subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", made.inside(clone)], check=True)
    yield made, user, clone
    shutil.rmtree(folder, ignore_errors=True)


def timed(machine, user, command, log, **options):
    began = time.monotonic()
    done = machine.run(command, user, log, **options)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{log.read_text()[-4000:]}{done.stdout[-4000:]}"
    return done.stdout, time.monotonic() - began


def test_the_quick_start(machine, tmp_path):
    made, user, clone = machine
    # One login: the service lives as long as the machine does, which ends with its command.
    script = (f"cd {clone} && tools/quickstart --json | tail -n 1 && "
              "date +%s.%N && tools/quickstart >/tmp/table && date +%s.%N && tools/quickstart --again --json | tail -n 1 && "
              "sh -c \"$(grep ^curl /tmp/table)\" && echo && "
              "tools/quickstart --stop && ps -eo comm= | grep -cE 'sustd|sust-gateway|llama-server|sust-agent'; true")
    out, total = timed(made, user, script, tmp_path / "log")
    first, began, ended, again, answer, left = out.splitlines()
    facts, second = json.loads(first), json.loads(again)
    assert facts["tuned_accuracy"] > 0.9 > 0.5 > facts["base_accuracy"]
    assert facts["tuned_perplexity"] < 1.05 * facts["base_perplexity"]
    told = json.loads(json.loads(answer)["choices"][0]["message"]["content"])
    assert set(told) == {"category", "priority"}
    again_seconds = sum(second["seconds"][step] for step in ("data", "tune", "serve"))
    record("fresh machine", f"quick start as {user}", {
        "seconds_total": facts["seconds_total"], **{f"seconds_{step}": value for step, value in facts["seconds"].items()},
        "seconds_repeat": round(float(ended) - float(began), 1), "seconds_again": round(again_seconds, 1),
        **{name: facts[name] for name in ("base_accuracy", "tuned_accuracy", "tuned_accuracy_new_phrasing",
                                          "base_perplexity", "tuned_perplexity")}})
    assert left == "0"
    if user != "root":
        owned = made.run(f"find /home/{user} -user root | head -n 5")
        assert owned.stdout == "", "nothing in the home is root's"


def test_the_check(machine, tmp_path):
    made, user, clone = machine
    # What is compiled is the same for both users; the second takes it from the first's cache.
    cache = CACHE / "fresh-ccache"
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o777)
    seen = "/var/cache/compiler"
    command = f"export CCACHE_DIR={seen} CCACHE_UMASK=000; cd {clone} && tools/check"
    out, total = timed(made, user, command, tmp_path / "log", timeout=2 * 3600, shared={cache: seen})
    record("fresh machine", f"tools/check as {user}", {"seconds": round(total, 1), "summary": out.splitlines()[-1]})

"""sust-agent job on a node that has a kernel, /proc and /dev/null, and nothing else."""

import json
import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.box

SPECIFICATION = {"format": 1, "token": "bare", "name": "", "environment": {"LANG": "C"}, "workdir": "",
                 "time_limit_seconds": 60, "stop_grace_seconds": 1, "notice_seconds": 0, "log_bytes": 1 << 20,
                 "nodes": 1, "tasks_per_node": 1, "cpus_per_task": 1, "memory_bytes": 0, "gpus": 0, "gpu_type": "",
                 "image": "", "priority": 0, "partition": "", "account": "", "queue": "", "principal": "",
                 "labels": {}, "options": {}, "exclude_nodes": []}


@pytest.fixture
def bare(build, tmp_path):
    """An empty root with the agent, and a job whose command is the agent itself."""
    root = tmp_path / "root"
    for folder in ("proc", "dev", "jobs/bare/1"):
        (root / folder).mkdir(parents=True)
    (root / "dev/null").touch()
    shutil.copy2(build / "bin/sust-agent", root / "agent")
    (root / "jobs/bare/fence.json").write_text('{"format":1,"epoch":1}')

    def run(argv):
        (root / "jobs/bare/job.json").write_text(json.dumps({**SPECIFICATION, "argv": argv}))
        inside = (f"mount --bind /dev/null {root}/dev/null && mount -t proc proc {root}/proc && "
                  f"exec chroot {root} /agent job --directory /jobs/bare --epoch 1")
        spaces = ["unshare", "--mount", "--pid", "--fork"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        return subprocess.run([*spaces, "sh", "-c", inside], capture_output=True, text=True, timeout=60,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    return root / "jobs/bare/1", run


def test_a_job_runs_where_there_is_nothing_but_the_agent(bare):
    attempt, run = bare
    done = run(["/agent", "--version"])
    assert done.returncode == 0, done.stderr
    assert (attempt / "stdout").read_text().startswith("sust-agent")
    said = json.loads((attempt / "exit.json").read_text())
    assert (said["status"], said["reason"], said["leftovers"]) == (0, "exited", 0)


def test_the_status_of_the_command_is_the_status_of_the_wrapper(bare):
    attempt, run = bare
    assert run(["/agent", "job"]).returncode == 2
    assert json.loads((attempt / "exit.json").read_text())["status"] == 2


def test_a_command_that_is_not_there_is_127(bare):
    attempt, run = bare
    assert run(["no-such-program"]).returncode == 127
    said = json.loads((attempt / "exit.json").read_text())
    assert said["reason"] == "cannot_start" and "no-such-program" in said["detail"]


@pytest.mark.parametrize("words", [["job"], ["job", "--directory", "relative", "--epoch", "1"],
                                   ["job", "--directory", "/x", "--epoch", "0"],
                                   ["job", "--directory", "/x", "--epoch", "one"], ["jobs"], ["job", "--bogus", "1"]])
def test_wrong_words_are_refused_with_what_is_wanted(build, words):
    done = subprocess.run([build / "bin/sust-agent", *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("sust-agent: ")


def test_the_agent_is_one_static_file(build):
    header = (build / "bin/sust-agent").read_bytes()
    assert header[:4] == b"\x7fELF"
    linked = subprocess.run(["ldd", build / "bin/sust-agent"], capture_output=True, text=True)
    assert "not a dynamic executable" in linked.stdout + linked.stderr

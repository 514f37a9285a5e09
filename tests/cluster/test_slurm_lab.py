"""The Slurm lab itself: what tests of the Slurm back end take for granted."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, wait_for
from labs.slurm import IMPATIENT, Options, SlurmLab, why_impossible
from labs.slurm.identity import identity
from processes import processes_of

WHY_NOT = why_impossible()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")]

ALICE, BOB = "sust-lab-a", "sust-lab-b"
UNTIL_TOLD = "until test -e {file}; do sleep 0.05; done; echo unharmed"


@pytest.fixture(scope="module")
def lab(make_slurm):
    return make_slurm(nodes=3, rest=True, settings=IMPATIENT)


def remains(lab):
    """What of a lab can be found on this machine."""
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    spaces = [place.name for place in Path("/run/netns").glob(f"sust-slurm-{lab.slot.number}-*")]
    cgroups = [str(folder) for folder in Path("/sys/fs/cgroup").glob(f"*/slurm_{lab.slot.cgroup_1_prefix()}*")]
    return {
        "processes": [words for _, words in processes_of(f"{lab.directory}/")],
        "members": lab.slot.family.members(),
        "folders": [str(path) for path in (lab.directory, lab.slot.memory, lab.slot.family.folder) if path.exists()],
        "network": spaces + [line for line in links.splitlines() if line.startswith(f"{lab.slot.bridge()} ")],
        "cgroups": cgroups,
    }


NOTHING = {"processes": [], "members": [], "folders": [], "network": [], "cgroups": []}


@pytest.mark.parametrize("user", ["root", ALICE, BOB])
def test_a_batch_job_runs_as_the_user_who_submitted_it(lab, user):
    job = lab.submit("id -un", user=user)
    lab.wait_for_job(job, "COMPLETED")
    assert lab.output(job).split() == [user]


def test_a_step_runs_on_every_node_and_sees_the_gpus_that_were_asked_for(lab):
    words = "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES"
    said = lab.out("srun", "-N3", "--gpus-per-node=2", "sh", "-c", words, user=ALICE)
    assert sorted(said.splitlines()) == ["n1 0,1", "n2 0,1", "n3 0,1"]


def test_more_gpus_than_a_node_has_are_refused_at_submission(lab):
    assert lab.run("sbatch", "--gpus-per-node=3", "--wrap=true", check=False).returncode != 0


def test_what_has_finished_is_told_without_a_database(lab):
    job = lab.submit("exit 3", "--job-name=failing", user=BOB)
    lab.wait_for_job(job, "FAILED")
    wait_for("the completion is written", lambda: "FAILED" in lab.out("sacct", "-c", "-n", "-j", job, user=BOB))


def test_a_drained_node_says_whose_reason_it_is_and_gets_no_jobs(lab):
    node = lab.node("n2")
    node.drain("disk is being changed")
    assert (node.state(), node.reason()) == ("drained", "disk is being changed")
    job = lab.submit("true", "-w", node.name)
    wait_for("the job waits for the node", lambda: lab.job(job)["Reason"] not in ("None", "Priority"))
    assert lab.job(job)["JobState"] == "PENDING"
    node.resume()
    lab.wait_for_job(job, "COMPLETED")


def test_a_failing_prolog_drains_its_node_and_the_job_is_held(lab):
    node = lab.node("n3")
    node.fail("prolog", 7)
    job = lab.submit("true", "-w", node.name)
    wait_for("the node is drained", lambda: node.state() == "drained")
    held = lab.wait_for_job(job, "PENDING")
    assert (node.reason(), held["Reason"]) == ("Prolog error", "launch_failed_requeued_held")
    node.fail("prolog", 0)
    node.resume()
    lab.run("scancel", job)
    assert lab.out("srun", "-w", node.name, "echo", "mended") == "mended"


def test_a_job_goes_on_while_the_controller_is_dead_and_while_it_hangs(lab):
    told = lab.scratch / "controller-is-back"
    job = lab.submit(UNTIL_TOLD.format(file=told), user=ALICE)
    lab.wait_for_job(job, "RUNNING")
    lab.wait_until_saved(job)
    lab.controller.kill()
    assert not lab.controller_answers()
    lab.controller.start()
    assert lab.job(job)["JobState"] == "RUNNING"
    lab.controller.hang()
    with pytest.raises(subprocess.TimeoutExpired):
        lab.run("squeue", timeout=0.5)
    lab.controller.go_on()
    told.touch()
    lab.wait_for_job(job, "COMPLETED")
    assert "unharmed" in lab.output(job)


def test_a_controller_with_older_state_gives_the_same_number_to_another_job(lab):
    before = lab.save_state()
    forgotten = lab.submit("sleep 600", "--hold", user=ALICE)
    lab.go_back(before)
    assert lab.job(forgotten) == {}
    assert lab.submit("echo another", user=BOB) == forgotten
    lab.wait_for_job(forgotten, "COMPLETED")
    assert lab.job(forgotten)["UserId"].startswith(BOB)


def test_a_killed_slurmd_comes_back_to_its_job(lab):
    told, node = lab.scratch / "slurmd-is-back", lab.node("n1")
    job = lab.submit(UNTIL_TOLD.format(file=told), "-w", node.name, user=BOB)
    lab.wait_for_job(job, "RUNNING")
    node.slurmd.kill()
    node.slurmd.start()
    told.touch()
    lab.wait_for_job(job, "COMPLETED")
    assert "unharmed" in lab.output(job)


def test_a_crashed_node_is_down_and_its_job_waits_for_another_run(lab):
    node = lab.node("n1")
    job = lab.submit("sleep 600", "--requeue", "-w", node.name)
    lab.wait_for_job(job, "RUNNING")
    node.crash()
    node.wait_for("down", "down*")
    assert lab.job(job)["Restarts"] == "1"
    lab.run("scancel", job)
    node.start()
    assert node.state() == "idle"


def test_slurmrestd_acts_as_the_user_of_the_token(lab):
    status, said = lab.rest.call("GET", "ping", user=ALICE)
    assert status == 200 and "UP" in said["pings"][0].values()
    job = {"nodes": "1", "current_working_directory": str(lab.scratch)}
    if lab.options.release:
        batch = {"job": {**job, "script": "#!/bin/sh\nid -un\n", "environment": ["PATH=/usr/bin:/bin"]}}
    else:
        batch = {"script": "#!/bin/sh\nid -un\n", "job": {**job, "environment": {"PATH": "/usr/bin:/bin"}}}
    status, said = lab.rest.call("POST", "job/submit", user=ALICE, body=batch)
    assert (status, said["errors"]) == (200, [])
    lab.wait_for_job(said["job_id"], "COMPLETED")
    assert lab.output(said["job_id"]).split() == [ALICE]


def test_slurmrestd_refuses_a_token_that_is_none(lab):
    status, said = lab.rest.call("GET", "jobs", user=ALICE, token="none")  # later versions answer a ping to anybody
    assert status != 200 and said["errors"]


def test_accounting_remembers_jobs_that_ended_while_the_database_was_down(make_slurm):
    lab = make_slurm(nodes=1, accounting=True)
    lab.database.slurmdbd.kill()
    job = lab.submit("true", user=ALICE)
    lab.wait_for_job(job, "COMPLETED")
    lab.database.slurmdbd.start()
    wait_for("the job is in the database",
             lambda: lab.out("sacct", "-a", "-n", "-X", "-P", "-o", "jobid,user,state") == f"{job}|{ALICE}|COMPLETED")


def test_nodes_with_their_own_network_hold_jobs_to_what_they_asked_for():
    with SlurmLab(Options(nodes=2, namespaces=True, cgroups=True)) as lab:
        names = [node.name for node in lab.nodes]
        assert sorted(lab.out("srun", "-N2", "hostname", user=ALICE).splitlines()) == names
        job = lab.submit("exec python3 -c 'print(len(bytes(range(200)) * 2**20))'", "--mem=50", user=ALICE)
        lab.wait_for_job(job, "OUT_OF_MEMORY")
        lab.nodes[1].cut()
        with pytest.raises(OSError):
            socket.create_connection((lab.configuration.node_address(2), lab.slot.port("2")), timeout=1)
    assert remains(lab) == NOTHING


def test_a_closed_lab_leaves_nothing_even_of_a_job_that_hides():
    with SlurmLab(Options(nodes=1)) as lab:
        hide = "setsid sh -c 'trap \"\" TERM HUP; touch hidden; exec env -i /bin/sleep 600' & wait"
        job = lab.submit(hide, user=ALICE)
        wait_for("the job hides", (lab.scratch / "hidden").exists)
        lab.nodes[0].slurmd.kill()
        assert lab.job(job) and remains(lab) != NOTHING
    assert remains(lab) == NOTHING


def test_a_lab_whose_test_run_was_killed_is_cleaned_by_the_next(tmp_path):
    told = tmp_path / "slot"
    program = ("import pathlib, sys, time; from labs.slurm import Options, SlurmLab; lab = SlurmLab(Options(nodes=1)); "
               "pathlib.Path(sys.argv[1]).write_text(str(lab.directory)); time.sleep(600)")
    run = subprocess.Popen([sys.executable, "-c", program, told], cwd=REPOSITORY / "tests",
                           env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    wait_for("the other lab is up", lambda: told.exists() and told.read_text())
    dead = SlurmLab.attach(Path(told.read_text()))
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert dead.controller.alive()
    hidden = dead.controller.pid()
    with SlurmLab(Options(nodes=1)):
        assert identity(hidden) is None


def test_people_keep_a_lab_until_they_take_it_down(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}

    def tool(verb, *options):
        return subprocess.run([REPOSITORY / "tools/lab", "slurm", verb, *options], capture_output=True, text=True,
                              env=environment, timeout=120)

    said = tool("up", "--nodes", "1").stdout
    try:
        assert said.startswith("export SLURM_CONF=/")
        lab = SlurmLab.attach((tmp_path / "sust/labs/slurm").resolve())
        assert "idle" in tool("status").stdout
        lab.nodes[0].slurmd.kill()
        broken = tool("status")
        assert broken.returncode == 1 and "not running" in broken.stdout
    finally:
        assert tool("down").returncode == 0
    assert remains(lab) == NOTHING

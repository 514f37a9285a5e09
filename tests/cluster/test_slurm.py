"""Jobs on a real Slurm: what they become, and what neither Slurm nor its failures may do to them."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster.jobs import Jobs
from cluster.slurm_sites import OLDEST, connect, native
from conftest import wait_for
from labs.slurm import IMPATIENT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lab(make_slurm):
    return make_slurm(nodes=2, rest=True, settings=IMPATIENT)


@pytest.fixture(params=["commands", "slurmrestd"])
def transport(request):
    """How Slurm is asked; the same is to be true of both."""
    return request.param


@pytest.fixture
def jobs(lab, sust, tmp_path, transport):
    return connect(lab, sust, tmp_path, transport)


def test_a_job_runs_on_a_node_and_ends_with_the_status_of_its_command(jobs, lab):
    made = {status: jobs.submit(f"echo $SLURMD_NODENAME; exit {status}") for status in (0, 7, 255)}
    for status, job in made.items():
        shown = jobs.end(job)
        assert shown["end"] == ("failed" if status else "completed") and shown["exit_status"] == status
        assert jobs.wait(job).returncode == status
    told = lab.job(native(jobs, made[7]))
    assert told["JobName"] == made[7] and made[7] in told["Comment"]


def test_only_what_was_said_reaches_the_command(jobs):
    job = jobs.submit("env", '[env]\nODD = "a,b=\'c\' \\"d\\" $HOME"')
    assert jobs.end(job)["end"] == "completed"
    seen = dict(line.split("=", 1) for line in jobs.out(job).splitlines() if "=" in line)
    assert seen["ODD"] == "a,b='c' \"d\" $HOME" and seen["SUST_JOB_TOKEN"] == job
    assert seen["SLURM_JOB_ID"] and seen["HOME"] == str(jobs.sust.root)


def test_gpus_of_the_node_are_the_commands(jobs):
    job = jobs.submit("echo $CUDA_VISIBLE_DEVICES", "[gpus]\ncount = 2")
    assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "0,1\n"


def test_a_time_limit_and_a_cancellation_go_through_the_stop_ladder(jobs):
    script = "trap 'echo asked; exit 3' TERM; echo here; while :; do sleep 0.05; done"
    limited = jobs.submit(script, '[time]\nlimit = "1s"')
    asked = jobs.submit(script)
    wait_for("it is at work", lambda: jobs.out(asked))
    jobs.sust.run("job", "cancel", asked)
    assert jobs.end(limited)["end"] == "time_limit" and jobs.out(limited) == "here\nasked\n"
    assert jobs.end(asked)["end"] == "cancelled" and jobs.out(asked) == "here\nasked\n"


def test_a_waiting_job_says_why_and_is_cancelled_where_it_waits(jobs, lab):
    for node in lab.nodes:
        node.drain("somebody else's work")
    try:
        job = jobs.submit("true")
        wait_for("it waits", lambda: (shown := jobs.show(job))["state"] == "queued" and shown["reason"])
        number = native(jobs, job)
        jobs.sust.run("job", "cancel", job)
        assert jobs.end(job)["end"] == "cancelled"
        assert lab.job(number)["JobState"] == "CANCELLED"
    finally:
        for node in lab.nodes:
            node.resume()


def test_somebody_elses_cancellation_is_no_failure(jobs, lab):
    job = jobs.submit("exec sleep 600")
    jobs.running(job)
    lab.run("scancel", str(native(jobs, job)))
    assert jobs.end(job)["end"] == "cancelled"


def test_kill_9_of_the_controller_makes_no_second_job(jobs, lab):
    made = [jobs.submit("echo run >>$SUST_JOB_ATTEMPT/../runs; sleep 1") for _ in range(4)]
    for _ in range(2):
        killed = jobs.sust.pid("sustd")
        os.kill(killed, signal.SIGKILL)
        wait_for("sustd is back", lambda: jobs.sust.run("job", "ls", check=False).returncode == 0
                 and jobs.sust.pid("sustd") != killed)
    for job in made:
        assert jobs.end(job)["end"] == "completed"
        assert (jobs.shared / job / "runs").read_text() == "run\n"


def test_kill_9_among_many_submissions_loses_none_and_starts_none_twice(jobs, lab):
    """Some are being written down and several are on their way to Slurm; what was answered for is one job."""
    file = jobs.file("echo run >>$SUST_JOB_ATTEMPT/../runs")
    made = []
    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            made += pool.map(lambda _: jobs.sust.json("job", "submit", file, "--backend", "lab")["id"],
                             range(16))
        killed = jobs.sust.pid("sustd")
        os.kill(killed, signal.SIGKILL)
        wait_for("sustd is back", lambda: jobs.sust.run("job", "ls", check=False).returncode == 0
                 and jobs.sust.pid("sustd") != killed)
    for job in made:
        shown = jobs.end(job, within=180)
        assert (shown["end"], shown["reason"]) == ("completed", "")
        assert (jobs.shared / job / "runs").read_text() == "run\n"


def test_a_submission_whose_answer_was_lost_is_found_by_its_token(jobs, lab):
    """sbatch fails after its time-out, and Slurm has the job nevertheless."""
    lab.controller.hang()
    job = jobs.submit("echo run >>$SUST_JOB_ATTEMPT/../runs")
    wait_for("it is told", lambda: any(
        name in jobs.show(job)["reason"] for name in ("sbatch", "squeue", "slurmrestd")), 60)
    assert not jobs.show(job)["final"]
    lab.controller.go_on()
    assert jobs.end(job, within=120)["end"] == "completed"
    assert (jobs.shared / job / "runs").read_text() == "run\n"


def test_a_running_job_does_not_notice_that_slurm_is_away(jobs, lab):
    job = jobs.submit("while ! test -e $SUST_JOB_ATTEMPT/go; do sleep 0.05; done; echo done")
    jobs.running(job)
    lab.wait_until_saved(native(jobs, job))
    lab.controller.kill()
    try:
        assert jobs.show(job)["state"] == "running"
        # The other back end serves on, however long Slurm's commands hang.
        local = Jobs(jobs.sust, jobs.folder).submit("true")
        assert jobs.end(local, within=20)["end"] == "completed"
    finally:
        lab.controller.start()
    (jobs.shared / job / "1/go").touch()
    assert jobs.end(job)["end"] == "completed"


def test_a_job_that_slurm_forgot_is_submitted_again_and_runs_once(jobs, lab):
    lab.wait_until_up()
    copy = lab.save_state()
    for node in lab.nodes:
        node.drain("wait")
    job = jobs.submit("echo run >>$SUST_JOB_ATTEMPT/../runs")
    first = native(jobs, job)
    os.kill(jobs.sust.pid("sustd"), signal.SIGSTOP)
    lab.go_back(copy)  # to where the nodes were free and its number was nobody's
    lab.wait_until_up()
    assert lab.submit("#!/bin/sh\nexit 9", "--comment=stranger") == first
    os.kill(jobs.sust.pid("sustd"), signal.SIGCONT)
    assert jobs.end(job, within=120)["end"] == "completed"
    assert (jobs.shared / job / "runs").read_text() == "run\n"


def test_a_lost_node_ends_the_attempt_and_the_next_one_keeps_off_it(jobs, lab):
    job = jobs.submit("hostname >/dev/null; echo $SLURMD_NODENAME >>$SUST_JOB_ATTEMPT/../nodes\n"
                      "test $SUST_JOB_EPOCH -ge 2 || exec sleep 600", '[retry]\ncount = 1\nback_off = "0s"')
    nodes = jobs.shared / job / "nodes"
    wait_for("it runs", lambda: nodes.exists() and nodes.read_text())
    jobs.running(job)
    bad = lab.node(nodes.read_text().strip())
    bad.crash()
    try:
        shown = jobs.end(job, within=180)
    finally:
        bad.start()
        bad.wait_for("idle", "idle*")
    assert shown["end"] == "completed" and [a["end"] for a in shown["attempts"]][0] in ("node_lost", "vanished")


@pytest.mark.parametrize("text, named", [
    ('partition = "none-such"', "there are: "),
    ("nodes = 3", "2 nodes"),
    ("cpus_per_task = 1000", "cores"),
    ('memory = "900TB"', "nodes of"),
    ("[gpus]\ncount = 9", "GPUs"),
    ('[time]\nlimit = "900h"', "time limit"),
    ('[options.lab]\nuid = "0"', "cannot be passed"),
    ('[options.lab]\nconstraint = "x\\n--uid=0"', "more than one line"),
])
def test_what_could_never_run_is_refused_and_not_left_waiting(jobs, lab, text, named):
    done = jobs.sust.run("job", "submit", jobs.file("true", text), "--backend", "lab", check=False)
    assert done.returncode == 2 and named in done.stderr, done.stderr
    assert jobs.sust.json("job", "ls") == []


def test_what_slurm_refuses_is_told_in_its_words(jobs):
    job = jobs.submit("true", '[options.lab]\nconstraint = "no-such-feature"')
    shown = jobs.end(job)
    assert shown["end"] == "start_failed" and "feature" in shown["reason"]


def test_nodes_are_held_with_our_reason_and_others_holds_are_left_alone(jobs, lab, transport):
    ours, theirs = (node.name for node in lab.nodes[:2])
    if transport == "slurmrestd" and lab.rest.version == OLDEST:
        refused = jobs.sust.run("node", "hold", ours, "--reason", "fan is loud", check=False)
        assert refused.returncode == 2 and "cannot hold nodes" in refused.stderr
        assert lab.node(ours).state() == "idle"
        return
    look = lambda name: next(n for n in jobs.sust.json("node", "ls", "--backend", "lab") if n["name"] == name)
    jobs.sust.run("node", "hold", ours, "--reason", "fan is loud")
    wait_for("it is seen", lambda: look(ours)["held"])
    assert look(ours)["hold_reason"] == "fan is loud" and "sust: fan is loud" in lab.node(ours).reason()
    lab.node(theirs).drain("power work")
    wait_for("it is seen", lambda: look(theirs)["reason"] == "power work", 30)
    assert jobs.sust.run("node", "release", theirs, check=False).returncode == 5
    assert jobs.sust.run("node", "hold", theirs, "--reason", "x", check=False).returncode == 5
    jobs.sust.run("node", "release", ours)
    wait_for("it is back", lambda: look(ours)["state"] == "idle", 30)
    lab.node(theirs).resume()


def test_the_check_tells_what_a_site_lacks(jobs, lab, transport):
    good = jobs.sust.json("backend", "check", "lab")
    assert good["good"], good
    assert {transport, "controller", "jobs", "carrier", "clock", "wrapper"} <= {line["what"] for line in good["checks"]}
    planned = jobs.sust.json("job", "plan", jobs.file("true"), "--backend", "lab")
    placement = planned["placements"][0]
    if transport == "commands":
        assert placement["start"] and "n" in placement["where"]
    else:
        assert not placement["start"] and "no estimate" in placement["why"]


def test_a_token_that_is_bad_or_open_to_others_is_told_and_nothing_is_lost(jobs, lab, transport):
    if transport == "commands":
        pytest.skip("commands need no token")
    good = jobs.token_file.read_text()
    jobs.token_file.write_text(f"SLURM_JWT={lab.rest.token(lifespan_seconds=1)}\n")
    wait_for("it has expired", lambda: lab.rest.call("GET", "jobs", token=jobs.token_file.read_text().strip()[10:])[0] >= 500)
    job = jobs.submit("true")
    wait_for("it is told", lambda: "expired at" in jobs.show(job)["reason"])
    jobs.token_file.write_text(good)
    jobs.token_file.chmod(0o640)
    told = jobs.sust.json("backend", "check", "lab", check=False)
    assert not told["good"] and "others may read this token" in json.dumps(told)
    assert good.strip()[10:] not in json.dumps(told)
    jobs.token_file.chmod(0o600)
    assert jobs.end(job)["end"] == "completed"


def test_many_jobs_cost_one_listing_a_period(jobs, lab):
    made = [jobs.submit("true") for _ in range(30)]
    for job in made:
        assert jobs.end(job, within=180)["end"] == "completed"
    assert len({native(jobs, job) for job in made}) == 30

"""Slurm forgets what has ended and keeps what can never run: what Sust makes of either."""

import os
import signal
import time

import pytest

from cluster.slurm_sites import connect, native
from conftest import wait_for
from labs.slurm import IMPATIENT, Partition

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

FORGETFUL = {**IMPATIENT, "MinJobAge": 2}
PARTITIONS = (Partition("batch", default=True, settings={"DefaultTime": "5", "MaxTime": "60"}),
              Partition("narrow", settings={"MaxNodes": "1"}))


@pytest.fixture(scope="module", params=["jobcomp", "slurmdbd"])
def lab(make_slurm, request):
    return make_slurm(nodes=2, accounting=request.param == "slurmdbd", settings=FORGETFUL, partitions=PARTITIONS)


@pytest.fixture
def jobs(lab, sust, tmp_path):
    return connect(lab, sust, tmp_path, "commands", 'hopeless_grace = "3s"')


def forget(jobs, lab, job, how):
    """Slurm ends the job and forgets it while nobody looks."""
    number = native(jobs, job)
    daemon = jobs.sust.pid("sustd")
    os.kill(daemon, signal.SIGSTOP)
    try:
        how(number)
        wait_for("Slurm has forgotten it", lambda: lab.job(number) == {}, 120)
    finally:
        os.kill(daemon, signal.SIGCONT)
    return number


def test_who_ended_a_forgotten_job_is_asked_of_accounting(jobs, lab):
    job = jobs.submit("exec sleep 600")
    jobs.running(job)
    forget(jobs, lab, job, lambda number: lab.run("scancel", str(number)))
    assert jobs.end(job)["end"] == "cancelled"


def test_a_job_that_was_cancelled_before_it_began_is_not_submitted_again(jobs, lab):
    for node in lab.nodes:
        node.drain("wait")
    try:
        job = jobs.submit("true")
        forget(jobs, lab, job, lambda number: lab.run("scancel", str(number)))
        shown = jobs.end(job)
        assert shown["end"] == "cancelled" and len(shown["attempts"]) == 1
    finally:
        for node in lab.nodes:
            node.resume()


def test_a_forgotten_job_whose_wrapper_died_is_not_waited_for(jobs, lab):
    job = jobs.submit("exec sleep 600")
    jobs.running(job)
    began = time.monotonic()
    forget(jobs, lab, job, lambda number: os.kill(jobs.wrapper(job), signal.SIGKILL))
    shown = jobs.end(job)
    assert shown["end"] == "vanished" and "without a word" in shown["reason"], (shown, time.monotonic() - began)


def test_what_the_partition_never_gives_is_told_and_then_ended(jobs, lab):
    job = jobs.submit("true", 'nodes = 2\npartition = "narrow"')
    wait_for("it is told", lambda: "never" in jobs.show(job)["reason"])
    assert not jobs.show(job)["final"]
    number = native(jobs, job)
    shown = jobs.end(job)
    assert shown["end"] == "start_failed" and "PartitionNodeLimit" in shown["reason"]
    wait_for("Slurm is rid of it", lambda: lab.job(number).get("JobState", "CANCELLED") == "CANCELLED")


def test_what_a_qos_never_gives_is_told_and_then_ended(jobs, lab):
    if not lab.options.accounting:
        pytest.skip("a QOS needs slurmdbd")
    lab.run("sacctmgr", "-i", "add", "qos", "small", "MaxTRESPerJob=cpu=1")
    lab.run("sacctmgr", "-i", "modify", "user", "root", "set", "qos+=small")
    job = jobs.submit("true", 'cpus_per_task = 2\nqueue = "small"')
    shown = jobs.end(job)
    assert shown["end"] == "start_failed" and "QOSMaxCpuPerJobLimit" in shown["reason"]


def test_an_estimate_knows_of_maintenance(jobs, lab):
    lab.run("scontrol", "create", "reservation", "reservationname=work", "starttime=now", "duration=30",
            "flags=maint,ignore_jobs", "nodes=all", "users=root")
    try:
        start = lambda: jobs.sust.json("job", "plan", jobs.file("true"), "--backend", "lab")["placements"][0]["start"]
        later = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 25 * 60))
        wait_for("the estimate is after it", lambda: (start() or "") > later, 60)
    finally:
        lab.run("scontrol", "delete", "reservation=work")

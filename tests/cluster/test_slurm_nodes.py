"""Jobs of several nodes and tasks on a real Slurm: one job, from the first process to the last."""

import pytest

from cluster.slurm_sites import connect, native
from conftest import wait_for
from labs.slurm import IMPATIENT
from processes import processes_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

THREE_BY_TWO = "nodes = 3\ntasks_per_node = 2"


@pytest.fixture(scope="module")
def lab(make_slurm):
    return make_slurm(nodes=3, rest=True, settings=IMPATIENT)


@pytest.fixture(params=["commands", "socket"])
def jobs(lab, sust, tmp_path, request):
    return connect(lab, sust, tmp_path, request.param)


def left_behind(jobs, job):
    """Processes of the job on any of its nodes, which are all on this machine."""
    return [words for _, words in processes_of(job) if "sleep" in words or "sust-agent" in words]


def tasks_at_work(jobs, job):
    return wait_for("six tasks work", lambda: len(jobs.out(job).splitlines()) >= 6)


def test_every_task_knows_its_place_and_the_status_names_all_nodes(jobs, lab):
    job = jobs.submit("echo $SUST_RANK $SUST_WORLD_SIZE $SUST_LOCAL_RANK $SUST_LOCAL_SIZE $SUST_NODE_RANK $SUST_NODES"
                      " $SUST_HEAD_NODE $SLURMD_NODENAME\nuntil test -e $SUST_JOB_ATTEMPT/go; do sleep 0.05; done",
                      THREE_BY_TWO)
    tasks_at_work(jobs, job)
    names = [node.name for node in lab.nodes]
    wait_for("all nodes are named", lambda: sorted(jobs.show(job)["nodes"]) == names)
    (jobs.shared / job / "1/go").touch()
    shown = jobs.end(job)
    assert shown["end"] == "completed" and sorted(shown["attempts"][0]["nodes"]) == names
    said = sorted(line.split() for line in jobs.out(job).splitlines())
    assert said == [[str(rank), "6", str(rank % 2), "2", str(rank // 2), "3", names[0], names[rank // 2]]
                    for rank in range(6)]
    assert lab.job(native(jobs, job))["NumNodes"] == "3"


def test_what_a_node_was_asked_for_is_there_on_each(jobs, lab):
    job = jobs.submit("echo $CUDA_VISIBLE_DEVICES", f"{THREE_BY_TWO}\ncpus_per_task = 2\nmemory = '600MiB'\n[gpus]\ncount = 2")
    assert jobs.end(job)["end"] == "completed"
    assert jobs.out(job).splitlines() == ["0,1"] * 6
    told = lab.job(native(jobs, job))
    assert "cpu=12,mem=1800M,node=3" in told.get("TRES", told.get("AllocTRES"))


def test_the_first_task_that_fails_ends_all_and_its_status_is_the_jobs(jobs):
    job = jobs.submit("echo here; test $SUST_RANK != 3 && exec sleep 600; sleep 1; exit 7", THREE_BY_TWO)
    shown = jobs.end(job)
    assert (shown["end"], shown["exit_status"]) == ("failed", 7)
    assert left_behind(jobs, job) == []


def test_a_cancellation_reaches_every_task_on_every_node(jobs):
    job = jobs.submit("trap 'echo asked; exit 0' TERM; echo here; while :; do sleep 0.05; done", THREE_BY_TWO)
    tasks_at_work(jobs, job)
    jobs.sust.run("job", "cancel", job)
    assert jobs.end(job)["end"] == "cancelled"
    assert sorted(jobs.out(job).split()) == ["asked"] * 6 + ["here"] * 6
    assert left_behind(jobs, job) == []


def test_a_time_limit_goes_through_the_stop_ladder_on_every_node(jobs):
    job = jobs.submit("trap 'echo asked; exit 0' TERM; echo here; while :; do sleep 0.05; done",
                      f'{THREE_BY_TWO}\n[time]\nlimit = "3s"')
    assert jobs.end(job)["end"] == "time_limit"
    assert jobs.out(job).split().count("asked") == 6


def test_a_node_that_is_lost_ends_the_job_everywhere(jobs, lab):
    job = jobs.submit("echo here; exec sleep 600", THREE_BY_TWO)
    tasks_at_work(jobs, job)
    jobs.running(job)
    bad = lab.nodes[-1]
    bad.crash()
    try:
        shown = jobs.end(job, within=180)
        assert shown["end"] in ("node_lost", "failed"), shown
        assert shown["end"] == "node_lost" or "node" in shown["reason"], shown
        wait_for("nothing of it is left", lambda: left_behind(jobs, job) == [])
    finally:
        bad.start()
        bad.wait_for("idle", "idle*")


def test_a_notice_reaches_the_tasks_of_every_node_before_the_time_limit(jobs):
    job = jobs.submit("trap 'echo noticed; exit 0' USR1; echo here; while :; do sleep 0.05; done",
                      f'{THREE_BY_TWO}\n[time]\nlimit = "20s"\nnotice = "15s"')
    shown = jobs.end(job)
    assert shown["end"] == "completed" and jobs.out(job).split().count("noticed") == 6

"""The queue of this machine as its users see it: who waits for what, and that nothing is given twice."""

import datetime
import os
import signal
import statistics

import pytest

from cluster.jobs import Jobs
from conftest import wait_for

pytestmark = pytest.mark.box

WAIT = "while ! test -e $SUST_JOB_ATTEMPT/../go; do sleep 0.05; done"


@pytest.fixture
def jobs(sust, tmp_path):
    (sust.root / "config").mkdir(parents=True)
    (sust.root / "config/backends.toml").write_text('[local]\ngpus = 2\ngpu_type = "gh200"\n')
    sust.up()
    return Jobs(sust, tmp_path)


def let_go(jobs, job):
    (jobs.sust.root / "data/jobs" / job / "go").touch()


def printed(jobs, job):
    return wait_for(f"{job} prints", lambda: jobs.out(job)).split()


def kill_controller(jobs):
    old = jobs.sust.pid("sustd")
    os.kill(old, signal.SIGKILL)
    wait_for("sustd is back", lambda: jobs.sust.pid("sustd") != old and
             jobs.sust.run("status", check=False).returncode == 0)


def test_gpus_are_given_once_also_across_kill_9_of_the_controller(jobs):
    script = "echo $CUDA_VISIBLE_DEVICES; " + WAIT
    one = "cpus_per_task = 0\n[gpus]\ncount = 1"
    first, second, third = (jobs.submit(script, one) for _ in range(3))
    assert sorted(printed(jobs, first) + printed(jobs, second)) == ["0", "1"]
    kill_controller(jobs)
    wait_for("it still waits", lambda: (shown := jobs.show(third))["state"] == "queued" and "GPUs" in shown["reason"])
    let_go(jobs, second)
    assert printed(jobs, third) == printed(jobs, second)
    assert jobs.show(first)["state"] == "running"
    node = jobs.sust.json("node", "ls")[0]
    assert node["gpus"] == 2 and node["gpu_type"] == "gh200"


def test_the_higher_priority_is_sooner_and_then_the_earlier(jobs):
    both = "cpus_per_task = 0\npriority = {}\n[gpus]\ncount = 2"
    running = jobs.submit(WAIT, both.format(0))
    jobs.running(running)
    early, late, urgent = (jobs.submit(WAIT, both.format(priority)) for priority in (0, 0, 7))
    planned = jobs.sust.json("job", "plan", jobs.file("true", both.format(0)))["placements"][0]
    assert planned["start"] is None and "GPUs" in planned["why"]
    for next_one, behind in ((urgent, (early, late)), (early, (late,)), (late, ())):
        let_go(jobs, running)
        jobs.running(next_one)
        assert all(jobs.show(job)["state"] == "queued" for job in behind)
        running = next_one
    let_go(jobs, late)
    assert jobs.end(late)["end"] == "completed"


def test_all_tasks_of_a_job_start_or_none(jobs):
    cores = os.cpu_count()
    blocking = jobs.submit(WAIT, "cpus_per_task = 1")
    jobs.running(blocking)
    gang = jobs.submit("echo $SUST_RANK/$SUST_WORLD_SIZE", f"tasks_per_node = {cores}\ncpus_per_task = 1")
    assert jobs.show(gang)["state"] == "queued" and "cores" in jobs.show(gang)["reason"]
    assert not (jobs.sust.root / "data/jobs" / gang / "1/attempt.json").exists()
    let_go(jobs, blocking)
    assert jobs.end(gang)["end"] == "completed"
    assert sorted(jobs.out(gang).split()) == [f"{rank}/{cores}" for rank in range(cores)]


@pytest.mark.parametrize("text, named", [
    ("cpus_per_task = 9999", "cores"), ('memory = "900TB"', "memory"), ("[gpus]\ncount = 3", "2 GPUs"),
    ('[gpus]\ncount = 1\ntype = "h100"', "gh200")])
def test_what_could_never_fit_is_refused(jobs, text, named):
    done = jobs.sust.run("job", "submit", jobs.file("true", text), check=False)
    assert done.returncode == 2 and named in done.stderr, done.stderr


def test_a_notice_comes_before_the_time_is_up(jobs):
    job = jobs.submit("trap 'echo noticed; exit 0' USR1; while :; do sleep 0.05; done",
                      '[time]\nlimit = "4s"\nnotice = "2s"')
    assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "noticed\n"


def test_an_end_is_seen_when_it_happens_and_not_with_the_next_tick(jobs):
    """A tick of 200 ms alone would see most of them later than a quarter of it."""
    def at(time):
        return datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))

    late = []
    for _ in range(15):
        shown = jobs.end(jobs.submit("true", "cpus_per_task = 0"))
        late.append((at(shown["finished"]) - at(shown["attempts"][-1]["finished"])).total_seconds())
    assert statistics.median(late) < 0.2 / 4, late

"""One meaning of a job: these cases hold on every back end. test_conformance_*.py run them, each on its own.

A case that a back end cannot have is declared by its site (sites.py) with the reason; it is no skip: the test then
looks whether the back end really says that it cannot.
"""

import json
import os
import pwd
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest

from cluster import clock
from cluster.jobs import Jobs
from cluster.principals import as_
from conftest import wait_for

ENDLESS = "while :; do sleep 0.05; done"


@pytest.fixture
def jobs(site, sust, tmp_path):
    lines = site.configure(sust.root)
    if lines:
        (sust.root / "config").mkdir(parents=True, exist_ok=True)
        (sust.root / "config/backends.toml").write_text(lines)
    sust.up()
    site.ready(sust)
    return Jobs(sust, tmp_path, site.name)


def declared(site, jobs, case, text=""):
    """Whether this back end says that it cannot; then that it says so is what is tested."""
    if case not in site.declared:
        return False
    able = next(one for one in jobs.sust.json("backend", "ls") if one["name"] == site.name)["capabilities"]
    assert case not in able, f"{site.name} says that it can do {case}"
    if text:
        refused = jobs.sust.run("job", "submit", jobs.file("true", text), "--backend", site.name, check=False)
        assert refused.returncode == 2 and case in refused.stderr, refused.stderr
    return True


def kill_controller(jobs):
    old = jobs.sust.pid("sustd")
    os.kill(old, signal.SIGKILL)
    wait_for("sustd is back", lambda: jobs.sust.pid("sustd") != old and
             jobs.sust.run("job", "ls", check=False).returncode == 0)


def submit_many(jobs, count, status):
    """Through the API, as programs submit: the command line would spend the time on starting itself."""
    program = ("import http.client, json, socket, sys\n"
               "link = http.client.HTTPConnection('localhost')\n"
               "link.sock = socket.socket(socket.AF_UNIX)\n"
               "link.sock.connect(sys.argv[1])\n"
               "for number in range(int(sys.argv[2])):\n"
               "    said = {'command': ['/bin/sh', '-c', 'exit %s' % eval(sys.argv[4], {'n': number})],\n"
               "            'placement': [{'backend': sys.argv[3]}], 'name': 'n%d' % number}\n"
               "    link.request('POST', '/api/v1/jobs', json.dumps(said))\n"
               "    print(json.loads(link.getresponse().read())['id'])\n")
    return subprocess.run([sys.executable, "-c", program, jobs.sust.root / "run/api.sock", str(count), jobs.backend,
                           status], capture_output=True, text=True, timeout=600, check=True).stdout.split()


# --- How a job ends ---------------------------------------------------------------------------------------------------


def test_every_exit_status_is_the_commands_own(site, jobs):
    made = submit_many(jobs, len(site.statuses), repr(list(site.statuses)) + "[n]")
    for status, job in zip(site.statuses, made):
        shown = jobs.end(job, within=300)
        assert (shown["exit_status"], shown["end"]) == (status, "failed" if status else "completed"), shown
        assert len(shown["attempts"]) == 1


def test_a_signal_is_told_as_a_shell_tells_it(site, jobs):
    job = jobs.submit("kill -SEGV $$")
    assert jobs.end(job)["exit_status"] == 128 + signal.SIGSEGV and "SIGSEGV" in jobs.show(job)["reason"]


def test_what_cannot_be_executed_did_not_start(site, jobs):
    path = jobs.folder / "job.toml"
    path.write_text('command = ["/no/such/program"]\n')
    job = jobs.sust.json("job", "submit", path, "--backend", site.name)["id"]
    shown = jobs.end(job)
    assert shown["end"] == "start_failed" and shown["exit_status"] == 127


def test_output_comes_home_in_its_order_and_by_stream(site, jobs):
    job = jobs.submit("for i in $(seq 300); do echo line $i; done; echo trouble >&2")
    assert jobs.end(job)["end"] == "completed"
    told = jobs.out(job).splitlines()
    assert [line for line in told if line.startswith("line")] == [f"line {i}" for i in range(1, 301)]
    # A pod has one log for both.
    assert "trouble" in (told + jobs.sust.run("job", "logs", job, "--err").stdout.splitlines())


def test_the_time_limit_is_announced_then_asked_for_then_enforced(site, jobs):
    text = '[time]\nlimit = "3s"\ngrace = "1s"\n'
    script = f"trap 'echo noticed' USR1; trap 'echo asked' TERM; echo here; {ENDLESS}"
    if declared(site, jobs, "notice", text + 'notice = "2s"'):
        expected = ["here", "asked"]
    else:
        text, expected = text + 'notice = "2s"\n', ["here", "noticed", "asked"]
    job = jobs.submit(script, text)
    shown = jobs.end(job)
    heard = [line for line in jobs.out(job).splitlines() if line in ("here", "noticed", "asked")]
    assert shown["end"] == "time_limit" and heard == expected


# --- Ended from outside -----------------------------------------------------------------------------------------------


def test_it_is_cancelled_in_every_state(site, jobs):
    with site.busy():
        waiting = jobs.submit(ENDLESS)
        wait_for("it waits", lambda: jobs.show(waiting)["state"] == "queued")
        jobs.sust.run("job", "cancel", waiting)
        assert jobs.end(waiting)["end"] == "cancelled" and jobs.show(waiting)["exit_status"] in (None, 143)
    at_once = jobs.submit(ENDLESS)
    jobs.sust.run("job", "cancel", at_once)
    deaf = jobs.submit(f"trap '' TERM; echo here; {ENDLESS}", '[time]\ngrace = "2s"')
    wait_for("it is at work", lambda: jobs.out(deaf))
    for _ in range(2):  # running, then stopping
        jobs.sust.run("job", "cancel", deaf)
    assert jobs.end(at_once)["end"] == jobs.end(deaf)["end"] == "cancelled"
    jobs.sust.run("job", "cancel", deaf)  # an ended one is fine


def test_somebody_elses_cancellation_is_no_failure(site, jobs):
    if declared(site, jobs, "native_cancel"):
        return
    job = jobs.submit(ENDLESS)
    shown = jobs.running(job)
    site.cancel_natively(job, shown)
    assert jobs.end(job)["end"] == "cancelled"


# --- Files ---


def test_what_a_job_reads_and_leaves_goes_through_the_store(site, jobs):
    if declared(site, jobs, "files", '[[output]]\nname = "a"\nkind = "dataset"\npath = "a"'):
        return
    source = jobs.folder / "tickets.jsonl"
    source.write_text("".join(f'{{"prompt": "{i}", "completion": "x"}}\n' for i in range(100)))
    jobs.sust.run("data", "add", source, "--name", "tickets")
    text = (f'{site.files}\n[[input]]\nartifact = "tickets"\npath = "in/tickets"\n'
            '[[output]]\nname = "short"\nkind = "dataset"\npath = "out/data.jsonl"')
    script = ("cmp in/tickets/train.jsonl $SUST_INPUT_TICKETS/train.jsonl && "
              "head -3 in/tickets/train.jsonl >out/data.jsonl")
    job = jobs.submit(script, text)
    shown = jobs.end(job, within=120)
    assert shown["end"] == "completed", (shown, jobs.sust.run("job", "logs", job, "--err").stdout)
    made = jobs.sust.json("data", "show", "short")
    assert made["lines"] == 3 and made["digest"] == shown["outputs"][0]["digest"]
    assert shown["inputs"][0]["digest"] == jobs.sust.json("data", "show", "tickets")["digest"]
    lost = jobs.end(jobs.submit("true", text.replace("short", "none").replace("out/", "other/")), within=120)
    assert lost["end"] == "failed" and lost["attempts"][-1]["end"] == "completed" and "none" in lost["reason"]


# --- Again ------------------------------------------------------------------------------------------------------------


def test_a_failure_is_tried_again_as_often_as_is_said(site, jobs):
    again = '[retry]\ncount = 3\non = ["failed"]\nback_off = "0s"'
    job = jobs.submit("echo attempt $SUST_JOB_EPOCH; test $SUST_JOB_EPOCH -ge 3", again)
    shown = jobs.end(job, within=120)
    assert shown["end"] == "completed" and [a["end"] for a in shown["attempts"]] == ["failed", "failed", "completed"]
    assert jobs.out(job) == "attempt 3\n"


def test_work_longer_than_the_limit_goes_on_in_segments(site, jobs):
    job = jobs.submit("echo segment $SUST_JOB_EPOCH; test $SUST_JOB_EPOCH -ge 2 || exec sleep 600",
                      '[time]\nlimit = "10m"\nsegments = "1m"', "--set", "time.segments=1m")
    # A minute is the shortest segment that is accepted; here one is ended early by its own limit.
    shown = jobs.end(job, within=150)
    assert shown["end"] == "completed" and [a["end"] for a in shown["attempts"]] == ["time_limit", "completed"], shown
    assert shown["retries"] == 0


def test_a_lost_node_ends_the_attempt_and_the_next_one_keeps_off_it(site, jobs):
    job = jobs.submit("test $SUST_JOB_EPOCH -ge 2 || exec sleep 600", '[retry]\ncount = 1\nback_off = "0s"')
    shown = jobs.running(job)
    with site.lost(shown):
        ended = jobs.end(job, within=240)
    first, second = ended["attempts"]
    assert ended["end"] == "completed" and first["end"] in ("node_lost", "vanished")
    if not declared(site, jobs, "exclude"):
        assert first["nodes"] != second["nodes"]


def test_a_lost_node_without_a_retry_is_the_end(site, jobs):
    job = jobs.submit("exec sleep 600")
    with site.lost(jobs.running(job)):
        assert jobs.end(job, within=240)["end"] in ("node_lost", "vanished")


# --- Without the scheduler --------------------------------------------------------------------------------------------


def test_a_running_job_does_not_notice_that_the_scheduler_is_away(site, jobs):
    if declared(site, jobs, "away"):
        return
    job = jobs.submit("sleep 8; echo done")
    jobs.running(job)
    time.sleep(5)  # a controller keeps its state every few seconds
    with site.away():
        time.sleep(4)
        assert jobs.show(job)["state"] in ("running", "unknown", "ended")
        # The other back end serves on, however long the scheduler's answers take.
        assert Jobs(jobs.sust, jobs.folder).end(Jobs(jobs.sust, jobs.folder).submit("true"), within=20)
    shown = jobs.end(job, within=120)
    assert shown["end"] == "completed" and jobs.out(job) == "done\n" and len(shown["attempts"]) == 1


def test_a_job_that_is_submitted_while_the_scheduler_is_away_runs_once_when_it_is_back(site, jobs):
    if declared(site, jobs, "away"):
        return
    with site.away():
        job = jobs.submit("echo run $SUST_JOB_EPOCH")
        wait_for("why it stands is told", lambda: jobs.show(job)["reason"], 60)
        assert not jobs.show(job)["final"]
    shown = jobs.end(job, within=180)
    assert shown["end"] == "completed" and len(shown["attempts"]) == 1 and jobs.out(job) == "run 1\n"


def test_an_end_in_a_minute_without_the_scheduler_is_told_once_it_answers(site, jobs):
    if declared(site, jobs, "away"):
        return
    job = jobs.submit("sleep 12; exit 3")
    jobs.running(job)
    with site.silent():
        until = time.monotonic() + 60
        here = Jobs(jobs.sust, jobs.folder)
        while time.monotonic() < until:
            shown = jobs.show(job)
            assert shown["end"] in (None, "failed"), shown  # silence is never an end
            # Whoever waits for the scheduler, the other back end does not.
            assert here.end(here.submit("true"), within=20)["end"] == "completed"
            time.sleep(2)
    shown = jobs.end(job, within=120)
    assert (shown["end"], shown["exit_status"], len(shown["attempts"])) == ("failed", 3, 1), shown


def test_an_attempt_that_is_due_while_nobody_answers_a_new_controller_runs_afterwards(site, jobs):
    if declared(site, jobs, "away"):
        return
    job = jobs.submit("test $SUST_JOB_EPOCH -ge 2", '[retry]\ncount = 1\non = ["failed"]\nback_off = "4s"')
    wait_for("the first attempt has failed", lambda: jobs.show(job)["attempts"])
    with site.silent():
        kill_controller(jobs)  # the next one knows nothing of the site as yet
        time.sleep(8)
        assert not jobs.show(job)["final"], jobs.show(job)
    shown = jobs.end(job, within=120)
    assert [one["end"] for one in shown["attempts"]] == ["failed", "completed"], shown


# --- Without the controller -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_of_the_controller_at_any_moment_changes_no_end(site, jobs, seed):
    chosen = random.Random(seed)
    again = '[retry]\ncount = 1\non = ["failed"]\nback_off = "0s"'
    good = jobs.submit("sleep 1; echo one $SUST_JOB_EPOCH")
    failing = jobs.submit("sleep 1; exit 3")
    twice = jobs.submit("echo attempt $SUST_JOB_EPOCH; sleep 0.5; test $SUST_JOB_EPOCH -ge 2", again)
    asked = jobs.submit(ENDLESS)
    for number in range(5):
        time.sleep(chosen.uniform(0, 1))
        kill_controller(jobs)
        if number == 2:
            jobs.sust.run("job", "cancel", asked)
    ends = {job: jobs.end(job, within=180) for job in (good, failing, twice, asked)}
    assert [ends[job]["end"] for job in (good, failing, twice, asked)] == ["completed", "failed", "completed",
                                                                           "cancelled"]
    assert [len(ends[job]["attempts"]) for job in (good, failing, twice)] == [1, 1, 2]
    assert jobs.out(good) == "one 1\n" and ends[failing]["exit_status"] == 3


def test_a_log_is_followed_through_a_restart_of_the_controller(site, jobs):
    job = jobs.submit("for i in $(seq 40); do echo line $i; sleep 0.1; done")
    jobs.running(job)
    follower = subprocess.Popen(jobs.sust.argv("job", "logs", job, "--follow"), env=jobs.sust.environment, text=True,
                                stdout=subprocess.PIPE)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(follower.stdout))
    reader.start()
    wait_for("the first lines", lambda: len(lines) > 2)
    kill_controller(jobs)
    assert follower.wait(120) == 0
    reader.join()
    assert [line.strip() for line in lines] == [f"line {i}" for i in range(1, 41)]


# --- Odd days ---------------------------------------------------------------------------------------------------------


def test_many_short_jobs_all_end(site, jobs):
    made = submit_many(jobs, site.many, "0")
    assert len(set(made)) == site.many
    ours = set(made)
    wait_for("all have ended", lambda: all(job["final"] for job in jobs.sust.json("job", "ls") if job["id"] in ours),
             within=600)
    assert {job["end"] for job in jobs.sust.json("job", "ls") if job["id"] in ours} == {"completed"}


@pytest.mark.parametrize("hours", [5, -5])
def test_clocks_that_are_hours_apart_change_no_end(site, jobs, tmp_path, hours):
    if hours < 0 and declared(site, jobs, "clock_behind"):
        return
    jobs.sust.run("down")
    jobs.sust.environment |= clock.environment(tmp_path, hours)
    jobs.sust.up()
    site.ready(jobs.sust)
    long = jobs.submit("sleep 12; echo done")
    limited = jobs.submit(ENDLESS, '[time]\nlimit = "3s"\ngrace = "1s"')
    again = jobs.submit("test $SUST_JOB_EPOCH -ge 2", '[retry]\ncount = 1\non = ["failed"]\nback_off = "1s"')
    asked = jobs.submit(ENDLESS)
    jobs.running(long)
    jobs.running(asked)
    kill_controller(jobs)
    jobs.sust.run("job", "cancel", asked)
    ends = [jobs.end(job, within=120) for job in (long, limited, again, asked)]
    assert [shown["end"] for shown in ends] == ["completed", "time_limit", "completed", "cancelled"], ends
    assert [len(shown["attempts"]) for shown in ends] == [1, 1, 2, 1], ends
    assert jobs.out(long) == "done\n"
    # The clocks really are apart: when the controller took the job, and when its node began it.
    made, begun = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in
                   (ends[0]["created"], ends[0]["attempts"][0]["started"]))
    assert abs((made - begun).total_seconds() - hours * 3600) < 600


def test_of_two_attempts_that_are_alive_at_once_the_newer_one_commits(site, jobs):
    if declared(site, jobs, "two_alive"):
        return
    # The first stands still as its node is thought lost; it goes on beside the second, and is done before it.
    script = ('mkdir -p out; J=$SUST_JOB_ATTEMPT/..; echo > $J/begun.$SUST_JOB_EPOCH\n'
              'test $SUST_JOB_EPOCH -ge 2 || while ! test -e $J/begun.2; do sleep 0.05; done\n'
              'test $SUST_JOB_EPOCH -lt 2 || while ! test -e $J/go; do sleep 0.05; done\n'
              'echo "{\\"prompt\\": \\"who\\", \\"completion\\": \\"$SUST_JOB_EPOCH\\"}" > out/data.jsonl')
    job = jobs.submit(script, '[retry]\ncount = 1\nback_off = "0s"\n[[output]]\nname = "made"\n'
                      'kind = "dataset"\npath = "out/data.jsonl"')
    shown = jobs.running(job)
    folder = site.attempt(job).parent
    wait_for("the first is at work", (folder / "begun.1").exists)
    with site.thought_lost(shown):
        wait_for("the second is at work", (folder / "begun.2").exists, within=120)
    wait_for("the first has ended beside it", (folder / "1/exit.json").exists)
    assert not jobs.show(job)["final"]
    (folder / "go").touch()
    ended = jobs.end(job, within=120)
    assert ended["end"] == "completed" and [one["epoch"] for one in ended["attempts"]] == [1, 2], ended
    blob = jobs.sust.json("data", "show", "made")["files"][0]["digest"].removeprefix("sha256:")
    assert json.loads((jobs.sust.root / "data/store/blobs/sha256" / blob).read_text())["completion"] == "2"


def test_an_older_attempt_that_is_still_alive_is_fenced(site, jobs):
    if declared(site, jobs, "job_directory"):
        return
    job = jobs.submit(f"echo here; {ENDLESS}")
    jobs.running(job)
    attempt = site.attempt(job)
    fence = attempt.parent / "fence.json"
    held = json.loads(fence.read_text())
    fence.write_text(json.dumps(held | {"epoch": held["epoch"] + 1}))  # as a newer attempt does
    wait_for("it ends by itself", (attempt / "exit.json").exists)
    assert json.loads((attempt / "exit.json").read_text())["reason"] == "fenced"


def test_words_that_cannot_be_read_are_never_an_end(site, jobs):
    if declared(site, jobs, "carrier"):
        return
    job = jobs.submit("sleep 8; echo done")
    jobs.running(job)
    word = site.attempt(job) / "attempt.json"
    kept = word.rename(word.with_suffix(".kept"))
    word.mkdir()  # cannot be read, by nobody
    try:
        for _ in range(15):
            assert jobs.show(job)["state"] in ("running", "unknown")
            time.sleep(0.2)
    finally:
        word.rmdir()
        kept.rename(word)
    assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "done\n"


def test_output_over_the_bound_keeps_its_end(site, jobs):
    if declared(site, jobs, "bounded_logs"):
        return
    job = jobs.submit("head -c 80000000 /dev/zero | tr '\\0' 'x'; echo; sleep 2; echo the end")
    assert jobs.end(job, within=120)["end"] == "completed"
    assert jobs.sust.run("job", "logs", job, "--tail", "2", check=False).stdout.endswith("the end\n") or \
        jobs.out(job).endswith("the end\n")


def test_a_job_is_its_principals_and_nobody_elses(site, jobs):
    if declared(site, jobs, "principals", 'principal = "nobody"'):
        return
    one, other = site.principals
    entry = pwd.getpwnam(one)
    job = jobs.submit("id -u; id -g; id -G; echo $USER $HOME; touch made; echo trouble >&2", f'principal = "{one}"')
    assert jobs.end(job)["end"] == "completed"
    uid, gid, groups, names = jobs.out(job).splitlines()
    assert (int(uid), int(gid), names) == (entry.pw_uid, entry.pw_gid, f"{one} {entry.pw_dir}")
    assert sorted(map(int, groups.split())) == sorted(set(os.getgrouplist(one, entry.pw_gid)))
    attempt = site.attempt(job)
    for path in (attempt.parent, attempt, *attempt.parent.glob("*.json"), *(attempt / name for name in (
            "attempt.json", "exit.json", "stdout", "stderr", "wrapper.log", "made"))):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (entry.pw_uid, entry.pw_gid), path
    assert as_(one, "cat", attempt / "stdout").returncode == 0
    assert as_(other, "cat", attempt / "stdout").returncode != 0
    assert as_(other, "touch", attempt / "cancel").returncode != 0
    own = jobs.submit("id -u")
    assert jobs.end(own)["end"] == "completed" and jobs.out(own) == f"{os.geteuid()}\n"
    for stranger in ("nobody", "root"):
        refused = jobs.sust.run("job", "submit", jobs.file("true", f'principal = "{stranger}"'), "--backend", site.name,
                                check=False)
        assert refused.returncode == 3 and f"as {stranger}" in refused.stderr and one in refused.stderr, refused.stderr
    assert {known["id"] for known in jobs.sust.json("job", "ls")} == {job, own}


@pytest.mark.parametrize("text, capability", [("nodes = 2", "several_nodes"), ("tasks_per_node = 2", "several_tasks"),
                                              ('principal = "nobody"', "principals"),
                                              ("[gpus]\ncount = 1", "gpus")])
def test_what_it_says_it_cannot_do_is_refused_by_the_keys_name(site, jobs, text, capability):
    able = next(one for one in jobs.sust.json("backend", "ls") if one["name"] == site.name)["capabilities"]
    done = jobs.sust.run("job", "submit", jobs.file("true", text), "--backend", site.name, check=False)
    if capability not in able:
        assert done.returncode == 2 and capability in done.stderr, done.stderr
        assert jobs.sust.json("job", "ls") == []

"""Jobs as their users see them, with the real programs: how they end, what they survive, what is refused."""

import os
import signal
import subprocess
import sys

import pytest

from cluster.jobs import Jobs
from conftest import wait_for
from processes import processes_of

pytestmark = pytest.mark.box


@pytest.fixture
def jobs(sust, tmp_path):
    sust.up()
    return Jobs(sust, tmp_path)


def test_a_job_ends_with_the_status_of_its_command(jobs):
    made = {status: jobs.submit(f"echo it was {status}; exit {status}") for status in (0, 1, 42, 126, 255)}
    for status, job in made.items():
        assert jobs.wait(job).returncode == status
        shown = jobs.show(job)
        assert shown["end"] == ("failed" if status else "completed") and shown["exit_status"] == status
        assert shown["source"] == "none" and shown["attempts"][0]["epoch"] == 1
        assert jobs.out(job) == f"it was {status}\n"
    assert {item["id"] for item in jobs.sust.json("job", "ls")} == set(made.values())


def test_a_signal_is_told_as_a_shell_tells_it(jobs):
    job = jobs.submit("kill -SEGV $$")
    assert jobs.wait(job).returncode == 128 + signal.SIGSEGV
    assert "SIGSEGV" in jobs.show(job)["reason"]


def test_what_cannot_be_executed_did_not_start(jobs):
    path = jobs.folder / "job.toml"
    path.write_text('command = ["/no/such/program"]\n')
    done = jobs.sust.run("job", "submit", path, "--wait", check=False)
    assert done.returncode == 127 and "start_failed" in done.stdout
    assert "sust" in done.stderr and "job logs" in done.stderr


def test_a_time_limit_ends_it_through_the_stop_ladder(jobs):
    job = jobs.submit("trap 'echo asked; exit 7' TERM; while :; do sleep 0.05; done",
                      '[time]\nlimit = "1s"\ngrace = "20s"')
    shown = jobs.end(job)
    assert shown["end"] == "time_limit" and jobs.out(job) == "asked\n"


def test_cancelling_ends_what_ignores_the_request_too(jobs):
    job = jobs.submit("trap '' TERM; echo here; while :; do sleep 0.05; done", '[time]\ngrace = "300ms"')
    wait_for("it is at work", lambda: jobs.out(job))
    jobs.sust.run("job", "cancel", job)
    shown = jobs.end(job)
    assert shown["end"] == "cancelled"
    jobs.sust.run("job", "cancel", job)  # an ended one is fine
    wait_for("nothing of it runs", lambda: not [1 for _, line in processes_of(jobs.sust.root) if job in line])


def test_a_failure_is_tried_again_as_often_as_is_said(jobs):
    again = '[retry]\ncount = 4\non = ["failed"]\nback_off = "0s"'
    job = jobs.submit("echo attempt $SUST_JOB_EPOCH; test $SUST_JOB_EPOCH -ge 3", again)
    shown = jobs.end(job)
    assert shown["end"] == "completed" and [a["end"] for a in shown["attempts"]] == ["failed", "failed", "completed"]
    assert shown["retries"] == 2 and jobs.out(job) == "attempt 3\n"
    never = jobs.end(jobs.submit("exit 1", again))
    assert never["end"] == "failed" and len(never["attempts"]) == 5


def test_a_lost_attempt_is_followed_by_another_and_without_a_retry_it_is_the_end(jobs):
    script = "test $SUST_JOB_EPOCH -ge 2 || { echo $$ >$SUST_JOB_ATTEMPT/pid; exec sleep 600; }"
    kept = jobs.submit(script, '[retry]\ncount = 1\nback_off = "0s"')
    lost = jobs.submit(script)
    for job in (kept, lost):
        wait_for("it runs", (jobs.sust.root / "data/jobs" / job / "1/pid").exists)
        os.kill(jobs.wrapper(job), signal.SIGKILL)
    assert jobs.end(kept)["end"] == "completed"
    ended = jobs.end(lost)
    assert ended["end"] == "vanished" and jobs.wait(lost).returncode == 125


@pytest.mark.parametrize("moment", ["before", "while it runs", "after it ended"])
def test_a_job_survives_kill_9_of_its_controller(jobs, moment):
    job = jobs.submit("echo begun; while test -e $SUST_JOB_ATTEMPT/../hold; do sleep 0.05; done; echo done")
    hold = jobs.sust.root / "data/jobs" / job / "hold"
    if moment != "before":
        hold.touch()
    old = jobs.sust.pid("sustd")
    if moment == "after it ended":
        hold.unlink(missing_ok=True)
        wait_for("its last word", (jobs.sust.root / "data/jobs" / job / "1/exit.json").exists)
    os.kill(old, signal.SIGKILL)
    hold.unlink(missing_ok=True)
    wait_for("sustd is back", lambda: jobs.sust.pid("sustd") != old and
             jobs.sust.run("status", check=False).returncode == 0)
    shown = jobs.end(job)
    assert shown["end"] == "completed" and len(shown["attempts"]) == 1
    assert jobs.out(job).splitlines() == ["begun", "done"]


def test_waiting_outlives_the_controller_and_ctrl_c_ends_the_waiting_alone(jobs):
    job = jobs.submit("while ! test -e $SUST_JOB_ATTEMPT/go; do sleep 0.05; done; exit 5")
    jobs.running(job)
    waiting = [subprocess.Popen(jobs.sust.argv("job", "wait", job), env=jobs.sust.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for one in waiting:
        assert "running" in one.stderr.readline()
    waiting[0].send_signal(signal.SIGINT)
    assert waiting[0].wait(30) == -signal.SIGINT and "goes on" in waiting[0].stderr.read()
    os.kill(jobs.sust.pid("sustd"), signal.SIGKILL)
    (jobs.sust.root / "data/jobs" / job / "1/go").touch()
    assert waiting[1].wait(60) == 5
    for one in waiting:
        one.communicate()


def test_a_held_node_takes_no_further_job_until_it_is_released(jobs):
    node = jobs.sust.json("node", "ls")[0]
    assert node["backend"] == "local" and node["cores"] >= 1 and node["state"] in ("idle", "busy")
    jobs.sust.run("node", "hold", node["name"], "--reason", "fan is loud")
    job = jobs.submit("echo later")
    assert jobs.show(job)["state"] == "queued" and "fan is loud" in jobs.show(job)["reason"]
    assert "fan is loud" in jobs.sust.run("node", "show", node["name"]).stdout
    planned = jobs.sust.json("job", "plan", jobs.file("true"))
    assert planned["chosen"] == "local" and planned["placements"][0]["start"] is None
    gone = jobs.submit("echo never")
    jobs.sust.run("job", "cancel", gone)
    assert jobs.end(gone)["end"] == "cancelled"
    jobs.sust.run("node", "release", node["name"])
    assert jobs.end(job)["end"] == "completed"
    assert jobs.sust.run("node", "hold", "nowhere", "--reason", "x", check=False).returncode == 4


def test_a_back_end_says_what_it_can_do_and_what_is_amiss(jobs):
    local = jobs.sust.json("backend", "ls")[0]
    assert local["name"] == "local" and "job_directory" in local["capabilities"]
    checked = jobs.sust.json("backend", "check", "local")
    assert checked["good"]
    # Without a control group that is ours, memory is limited in the second best way.
    amiss = {line["what"] for line in checked["checks"] if line["outcome"] != "good"}
    assert amiss <= {"limits of memory"}
    node = jobs.sust.json("node", "ls")[0]["name"]
    jobs.sust.run("node", "hold", node, "--reason", "x")
    warned = jobs.sust.run("backend", "check", "local")
    assert "warning" in warned.stdout and "sust node release" in warned.stdout
    assert jobs.sust.run("backend", "check", "nowhere", check=False).returncode == 4


@pytest.mark.parametrize("text, status, named", [
    ("nodes = 2", 2, "several_nodes"),
    ('partition = "normal"', 2, "partition"),
    ('principal = "root"', 2, "principals"),
    ("[gpus]\ncount = 1", 2, "gpus"),
    ('[[placement]]\nbackend = "alps"', 4, "there are: local"),
    ("nodez = 2", 2, "did you mean 'nodes'"),
    ('[time]\nlimit = "soon"', 2, "job.toml:3"),
    ('[retry]\non = ["completed"]', 2, "never tried again"),
])
def test_what_cannot_be_is_refused_before_anything_is_kept(jobs, text, status, named):
    done = jobs.sust.run("job", "submit", jobs.file("true", text), check=False)
    assert done.returncode == status and named in done.stderr, done.stderr
    assert jobs.sust.json("job", "ls") == []
    assert not [entry for entry in (jobs.sust.root / "data/jobs").iterdir() if not entry.name.startswith(".")]


def test_the_first_placement_that_can_takes_it(jobs):
    both = '[[placement]]\nbackend = "alps"\n[[placement]]\nbackend = "local"'
    told = jobs.sust.run("job", "plan", jobs.file("true", both)).stdout
    assert "no back end 'alps'" in told and "it would go to local" in told
    assert jobs.end(jobs.submit("true", both))["backend"] == "local"
    refused = jobs.sust.run("job", "plan", jobs.file("true", 'nodes = 9'), check=False)
    assert refused.returncode == 2 and "nothing takes it" in refused.stdout


def test_settings_of_the_command_line_replace_those_of_the_file(jobs):
    job = jobs.submit("sleep 600", '[time]\nlimit = "10m"', "--set", "time.limit=300ms", "--set", "name=short")
    shown = jobs.end(job)
    assert shown["end"] == "time_limit" and shown["name"] == "short"


def test_an_ended_job_can_be_removed_and_one_at_work_cannot(jobs):
    job = jobs.submit("sleep 600")
    assert jobs.sust.run("--yes", "job", "rm", job, check=False).returncode == 5
    jobs.sust.run("job", "cancel", job)
    jobs.end(job)
    jobs.sust.run("--yes", "job", "rm", job)
    assert not (jobs.sust.root / "data/jobs" / job).exists()
    assert jobs.sust.run("job", "show", job, check=False).returncode == 4


def test_a_log_is_followed_to_its_end_and_only_its_end_is_kept(jobs):
    job = jobs.submit("for i in $(seq 200); do echo line $i; done; echo trouble >&2")
    assert jobs.end(job)["end"] == "completed"
    followed = jobs.sust.run("job", "logs", job, "--follow").stdout
    assert followed.splitlines() == [f"line {i}" for i in range(1, 201)]
    assert jobs.sust.run("job", "logs", job, "--err").stdout == "trouble\n"


def test_many_short_jobs_all_end_and_leave_nothing(jobs):
    """Through the API, as programs submit: the command line would spend the time on starting itself."""
    count = 200
    made = subprocess.run([sys.executable, "-c", SUBMIT, jobs.sust.root / "run/api.sock", str(count)],
                          capture_output=True, text=True, timeout=300, check=True).stdout.split()
    assert len(set(made)) == count
    wait_for("all have ended", lambda: all(job["final"] for job in jobs.sust.json("job", "ls")), within=300)
    assert {job["end"] for job in jobs.sust.json("job", "ls")} == {"completed"}
    wait_for("no wrapper is left", lambda: not [1 for _, line in processes_of(jobs.sust.root) if "sust-agent" in line])


SUBMIT = """
import http.client, json, socket, sys
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(sys.argv[1])
for number in range(int(sys.argv[2])):
    connection.request("POST", "/api/v1/jobs", json.dumps({"command": ["true"], "name": f"n{number}"}))
    print(json.loads(connection.getresponse().read())["id"])
"""


@pytest.mark.lab
def test_a_job_sees_its_environment_and_its_own_directory(sust_with_images, tmp_path):
    sust = sust_with_images
    sust.up()
    jobs = Jobs(sust, tmp_path)
    job = jobs.submit("python3 -c 'import torch' && echo $SUST_JOB_ATTEMPT && touch made && pwd",
                      f'environment = "trainer"\nworkdir = "{tmp_path}"')
    shown = jobs.end(job, within=120)
    assert shown["end"] == "completed", sust.run("job", "logs", job, "--err").stdout
    assert (tmp_path / "made").exists()
    unknown = jobs.end(jobs.submit("true", 'environment = "none-such"'))
    assert unknown["end"] in ("failed", "start_failed") and unknown["exit_status"] == 125

"""Jobs on a simulated site whose commands are really run: what they become, and what the site's mishaps do to them."""

import json
import os
import signal

import pytest

from cluster.jobs import Jobs
from cluster.site import Refused, Site, connect
from conftest import wait_for

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]

FOUR = """
[nodes.n]
names = "n[1-4]"
cores = 4
memory = "16GiB"
[nodes.n.gpus]
count = 2
type = "gh200"
"""


@pytest.fixture
def make_site(build, short_tmp):
    made = []

    def make(text=FOUR):
        site = Site(build, short_tmp / f"s{len(made)}", text)
        made.append(site)
        return site.start()

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site):
    return make_site()


@pytest.fixture
def make_jobs(sust, tmp_path):
    def make(site, **keys):
        shared = connect(sust, site, **keys)
        sust.up()
        wait_for("the site was looked at",
                 lambda: sust.run("node", "ls", "--backend", "plan", check=False).returncode == 0)
        jobs = Jobs(sust, tmp_path, "plan")
        jobs.shared = shared
        return jobs
    return make


@pytest.fixture
def jobs(site, make_jobs):
    return make_jobs(site)


def one_run(jobs, job):
    return (jobs.shared / job / "runs").read_text() == "run\n"


RUNS = "echo run >>$SUST_JOB_ATTEMPT/../runs"


# --- Commands ---------------------------------------------------------------------------------------------------------


def test_a_command_runs_on_a_node_of_the_site_and_ends_with_its_status(jobs, site):
    made = {status: jobs.submit(f"exit {status}") for status in (0, 7, 255)}
    killed = jobs.submit("kill -9 $$")
    for status, job in made.items():
        shown = jobs.end(job)
        assert shown["end"] == ("failed" if status else "completed") and shown["exit_status"] == status
        assert jobs.wait(job).returncode == status
        assert shown["attempts"][0]["nodes"][0] in ("n1", "n2", "n3", "n4"), shown
    assert jobs.end(killed)["exit_status"] == 137


def test_gpus_of_the_node_are_the_commands(jobs):
    job = jobs.submit("echo $CUDA_VISIBLE_DEVICES", "[gpus]\ncount = 2")
    assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "0,1\n"


def test_a_gang_has_its_tasks_on_every_node_and_each_knows_its_place(jobs, site):
    job = jobs.submit("echo $SUST_RANK/$SUST_WORLD_SIZE $SUST_LOCAL_RANK/$SUST_LOCAL_SIZE "
                      "$SUST_NODE_RANK/$SUST_NODES $SUST_NODE_NAME $SUST_HEAD_NODE", "nodes = 3\ntasks_per_node = 2")
    assert jobs.end(job)["end"] == "completed"
    assert sorted(jobs.out(job).splitlines()) == [
        f"{rank}/6 {rank % 2}/2 {rank // 2}/3 n{rank // 2 + 1} n1" for rank in range(6)]
    assert site.job(job)["nodes"] == "n[1-3]"


def test_the_first_task_that_fails_ends_the_gang(jobs):
    job = jobs.submit("test $SUST_RANK = 3 && exit 9; exec sleep 600", "nodes = 2\ntasks_per_node = 2")
    shown = jobs.end(job)
    assert shown["end"] == "failed" and shown["exit_status"] == 9


def test_a_gang_hears_of_its_time_limit_before_and_ends_with_one_of_its_nodes(jobs, site):
    script = "trap 'echo soon' USR1; echo here; while :; do sleep 0.05; done"
    warned = jobs.submit(script, 'nodes = 2\n[time]\nlimit = "4s"\nnotice = "2s"\ngrace = "1s"')
    assert jobs.end(warned)["end"] == "time_limit"
    assert sorted(jobs.out(warned).splitlines()) == ["here", "here", "soon", "soon"]
    lost = jobs.submit("echo $$ >>$SUST_JOB_ATTEMPT/pids; exec sleep 600", "nodes = 3")
    pids = wait_for("all are there", lambda: (file := jobs.shared / lost / "1/pids").exists()
                    and len(found := file.read_text().split()) == 3 and found)
    site.mishap("lose_nodes", nodes="n3")
    assert jobs.end(lost)["end"] == "node_lost"
    wait_for("nothing of it is left", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


def test_a_time_limit_and_a_cancellation_go_through_the_stop_ladder(jobs):
    script = "trap 'echo asked; exit 3' TERM; echo here; while :; do sleep 0.05; done"
    limited = jobs.submit(script, '[time]\nlimit = "1s"')
    asked = jobs.submit(script)
    wait_for("it is at work", lambda: jobs.out(asked))
    jobs.sust.run("job", "cancel", asked)
    assert jobs.end(limited)["end"] == "time_limit" and jobs.out(limited) == "here\nasked\n"
    assert jobs.end(asked)["end"] == "cancelled" and jobs.out(asked) == "here\nasked\n"


def test_a_waiting_job_says_why_and_is_cancelled_where_it_waits(jobs, site):
    site.mishap("drain", nodes="n[1-4]", reason="somebody else's work")
    job = jobs.submit("true")
    wait_for("it waits", lambda: (shown := jobs.show(job))["state"] == "queued" and shown["reason"])
    jobs.sust.run("job", "cancel", job)
    assert jobs.end(job)["end"] == "cancelled"
    assert site.job(job)["end"] == "cancelled"


@pytest.mark.parametrize("text, named", [
    ('partition = "none-such"', "there are: all"),
    ("nodes = 9", "4 nodes"),
    ("cpus_per_task = 1000", "cores"),
    ('memory = "900TB"', "nodes of"),
    ("[gpus]\ncount = 9", "GPUs"),
    ('[options.plan]\nduratoin = "1s"', "duration, exit_status"),
    ('[options.plan]\nduration = "soon"', "not a duration"),
])
def test_what_could_never_run_is_refused_and_not_left_waiting(jobs, text, named):
    done = jobs.sust.run("job", "submit", jobs.file("true", text), "--backend", "plan", check=False)
    assert done.returncode == 2 and named in done.stderr, done.stderr
    assert jobs.sust.json("job", "ls") == []


# --- Mishaps ----------------------------------------------------------------------------------------------------------


def test_the_site_may_be_killed_and_comes_back_with_its_jobs(jobs, site):
    waits = "while ! test -e $SUST_JOB_ATTEMPT/../go; do sleep 0.05; done; "
    busy = [jobs.submit(f"{RUNS}; {waits}", "cpus_per_task = 4") for _ in range(4)]
    queued = jobs.submit(RUNS, "cpus_per_task = 4")
    for job in busy:
        jobs.running(job)
    wait_for("it waits", lambda: jobs.show(queued)["state"] == "queued")
    site.kill()
    over, early = busy[0], busy[1]
    (jobs.shared / over / "go").touch()
    assert jobs.end(over)["end"] == "completed", "the wrapper says so, site or no site"
    assert jobs.show(early)["state"] == "running"
    site.start()
    for job in busy[1:]:
        (jobs.shared / job / "go").touch()
    for job in [*busy, queued]:
        assert jobs.end(job)["end"] == "completed"
        assert one_run(jobs, job)


def test_kill_9_of_the_controller_makes_no_second_job(jobs, site):
    made = [jobs.submit(f"{RUNS}; sleep 1") for _ in range(4)]
    for _ in range(2):
        killed = jobs.sust.pid("sustd")
        os.kill(killed, signal.SIGKILL)
        wait_for("sustd is back", lambda: jobs.sust.pid("sustd") != killed
                 and jobs.sust.run("status", check=False).returncode == 0)
    for job in made:
        assert jobs.end(job)["end"] == "completed" and one_run(jobs, job)
    assert len(site.jobs()) == 4


def test_a_lost_node_takes_everything_of_its_jobs_and_the_next_attempt_keeps_off_it(jobs, site):
    job = jobs.submit("setsid sleep 600 & echo $$ $! >$SUST_JOB_ATTEMPT/pids\n"
                      "test $SUST_JOB_EPOCH -ge 2 || exec sleep 600; kill $!", '[retry]\ncount = 1\nback_off = "0s"')
    shown = jobs.running(job)
    pids = wait_for("it is at work", lambda: (file := jobs.shared / job / "1/pids").exists() and file.read_text().split())
    site.mishap("lose_nodes", nodes=site.job(job)["nodes"])
    shown = jobs.end(job)
    first, second = shown["attempts"]
    assert (first["end"], second["end"]) == ("node_lost", "completed")
    assert set(first["nodes"]).isdisjoint(second["nodes"])
    wait_for("nothing of it is left", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_controller_that_is_away_is_no_failure(jobs, site, how):
    runs = jobs.submit("while ! test -e $SUST_JOB_ATTEMPT/go; do sleep 0.05; done")
    jobs.running(runs)
    site.mishap("outage", for_="6s", how=how)
    late = jobs.submit(RUNS)
    wait_for("it is told", lambda: jobs.show(late)["reason"], 20)
    assert jobs.show(late)["state"] in ("planned", "queued", "unknown") and jobs.show(runs)["state"] == "running"
    # The other back end serves on.
    assert jobs.end(Jobs(jobs.sust, jobs.folder).submit("true"), within=20)["end"] == "completed"
    (jobs.shared / runs / "1/go").touch()
    assert jobs.end(runs)["end"] == "completed"
    assert jobs.end(late)["end"] == "completed" and one_run(jobs, late)


def test_a_minute_without_the_controller_passes_on_a_scaled_clock(make_site, make_jobs):
    site = make_site('clock = "scaled"\nfactor = 30\n' + FOUR)
    jobs = make_jobs(site)
    runs = jobs.submit("sleep 4")
    jobs.running(runs)
    site.mishap("outage", for_="1m", how="refuses")
    late = jobs.submit(RUNS)
    assert jobs.end(late)["end"] == "completed" and one_run(jobs, late)
    assert jobs.end(runs)["end"] == "completed", "its time is its own"
    assert any(event["what"] == "outage" for event in site.events())


def test_a_number_that_was_given_away_again_is_a_strangers(jobs, site):
    site.mishap("drain", nodes="n[1-4]")
    job = jobs.submit(RUNS)
    number = wait_for("the site has it", lambda: site.job(job))["id"]
    os.kill(jobs.sust.pid("sustd"), signal.SIGSTOP)
    try:
        site.mishap("restart", lost="1h")
        assert site.jobs() == []
        stranger = site.call("POST", "/v1/jobs", {"token": "stranger", "limit": "1h", "duration": "1h"})
        assert stranger["id"] == number
        site.mishap("resume", nodes="n[1-4]")
    finally:
        os.kill(jobs.sust.pid("sustd"), signal.SIGCONT)
    assert jobs.end(job)["end"] == "completed" and one_run(jobs, job)
    assert site.job("stranger")["phase"] == "running"


def test_a_running_job_that_the_site_forgot_is_seen_by_its_wrappers_word(jobs, site):
    job = jobs.submit(f"{RUNS}; while ! test -e $SUST_JOB_ATTEMPT/go; do sleep 0.05; done")
    jobs.running(job)
    site.mishap("forget", job=job)
    assert site.job(job) is None
    other = jobs.submit("true")
    assert jobs.end(other)["end"] == "completed"
    assert jobs.show(job)["state"] == "running"
    (jobs.shared / job / "1/go").touch()
    assert jobs.end(job)["end"] == "completed" and one_run(jobs, job)


def test_a_preempted_command_is_asked_and_the_next_attempt_runs(make_site, make_jobs):
    site = make_site(FOUR + '[partition.low]\npreemptible = true\ndefault = true\n[partition.high]\npriority = 1\n')
    jobs = make_jobs(site)
    job = jobs.submit("test $SUST_JOB_EPOCH -ge 2 && exit 0; trap 'echo asked; exit 5' TERM; touch $SUST_JOB_ATTEMPT/here\n"
                      "while :; do sleep 0.05; done", '[retry]\ncount = 1\nback_off = "0s"')
    wait_for("it is at work", lambda: (jobs.shared / job / "1/here").exists())
    site.mishap("preempt", job=job)
    shown = jobs.end(job)
    assert [attempt["end"] for attempt in shown["attempts"]] == ["preempted", "completed"]
    assert (jobs.shared / job / "1/stdout").read_text() == "asked\n"


def test_a_site_that_never_listened_is_waited_for(build, sust, tmp_path, short_tmp):
    site = Site(build, short_tmp / "s", FOUR)
    shared = connect(sust, site)
    sust.up()
    jobs = Jobs(sust, tmp_path, "plan")
    jobs.shared = shared
    job = jobs.submit(RUNS)
    wait_for("it is told", lambda: "sust simulate" in jobs.show(job)["reason"])
    site.start()
    try:
        assert jobs.end(job)["end"] == "completed" and one_run(jobs, job)
    finally:
        site.close()


# --- Nodes and plans --------------------------------------------------------------------------------------------------


def test_nodes_are_held_with_our_reason_and_others_holds_are_left_alone(jobs, site):
    look = lambda name: next(n for n in jobs.sust.json("node", "ls", "--backend", "plan") if n["name"] == name)
    jobs.sust.run("node", "hold", "n1", "--reason", "fan is loud")
    wait_for("it is seen", lambda: look("n1")["held"])
    assert look("n1")["hold_reason"] == "fan is loud" and look("n1")["state"] == "drained"
    site.mishap("drain", nodes="n2", reason="power work")
    wait_for("it is seen", lambda: look("n2")["reason"] == "power work")
    assert jobs.sust.run("node", "release", "n2", check=False).returncode == 5
    assert jobs.sust.run("node", "hold", "n2", "--reason", "x", check=False).returncode == 5
    jobs.sust.run("node", "release", "n1")
    wait_for("it is back", lambda: look("n1")["state"] == "idle")


def test_a_played_job_needs_no_time_and_no_node(make_site, make_jobs):
    site = make_site('clock = "manual"\n[nodes.n]\nnames = "n"\ncount = 1000\ncores = 64\n'
                     '[[maintenance]]\nnodes = "n[0001-1000]"\nat = "10h"\nfor = "2h"\n')
    jobs = make_jobs(site)
    wide = jobs.submit("true", 'nodes = 1000\ntasks_per_node = 4\ncpus_per_task = 16\n[time]\nlimit = "8h"\n[options.plan]\nduration = "7h"')
    bad = jobs.submit("true", 'nodes = 10\n[time]\nlimit = "2h"\n[options.plan]\nduration = "10m"\nexit_status = "9"')
    wait_for("both are there", lambda: len(site.jobs()) == 2)
    planned = jobs.sust.json("job", "plan", jobs.file("true", 'nodes = 500\n[time]\nlimit = "6h"'), "--backend", "plan")
    assert planned["placements"][0]["start"], planned
    site.advance("1m")
    jobs.running(wide)
    wait_for("the other one waits", lambda: jobs.show(bad)["state"] == "queued")
    site.advance("12h")
    assert jobs.end(wide)["end"] == "completed"
    assert jobs.end(bad)["exit_status"] == 9
    report = site.stop()
    assert report["ended"] == {"completed": 1, "failed": 1} and report["time_seconds"] == 12 * 3600 + 60


def test_the_check_tells_how_the_site_stands(jobs, site):
    good = jobs.sust.json("backend", "check", "plan")
    assert good["good"] and "4 nodes" in good["checks"][0]["detail"], good
    site.kill()
    bad = json.loads(jobs.sust.run("--json", "backend", "check", "plan", check=False).stdout)
    assert not bad["good"] and "sust simulate" in bad["checks"][0]["hint"], bad
    site.start()


# --- The command ------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_commands_running_and_the_socket_gone(jobs, site):
    job = jobs.submit(f"{RUNS}; while ! test -e $SUST_JOB_ATTEMPT/go; do sleep 0.05; done")
    jobs.running(job)
    assert site.stop()["jobs"]["running"] == 1
    assert not site.socket.exists()
    site.start()
    (jobs.shared / job / "1/go").touch()
    assert jobs.end(job)["end"] == "completed" and one_run(jobs, job)
    wait_for("the site knows", lambda: site.job(job)["end"] == "completed")


@pytest.mark.parametrize("text, words, named", [
    ("[nodes.n]\nnames = 'n1'\ncoers = 3", ["--socket", "x.sock"], "SITE.toml:3"),
    ("", ["--socket", "x.sock"], "a site has nodes"),
    ("[nodes.n]\nnames = 'n1'", [], "--until"),
    ("[nodes.n]\nnames = 'n1'", ["--until", "soon"], "--until"),
])
def test_what_is_wrong_is_told_with_its_place(sust, tmp_path, text, words, named):
    file = tmp_path / "SITE.toml"
    file.write_text(text)
    done = sust.run("simulate", file, *words, check=False, cwd=tmp_path)
    assert done.returncode == 2 and named in done.stderr, done.stderr


def test_two_processes_do_not_simulate_one_site(site, build, short_tmp):
    again = Site(build, site.folder, FOUR)
    with pytest.raises(AssertionError, match="another process"):
        again.start()


def test_what_no_message_is_is_refused_and_the_site_goes_on(site):
    for method, target, body in [("POST", "/v1/jobs", {"token": "x", "nodse": 1}), ("POST", "/v1/jobs", {}),
                                 ("GET", "/v1/nothing", None), ("POST", "/v1/simulation/advance", {"by": "1m"}),
                                 ("DELETE", "/v1/jobs/x", None), ("POST", "/v1/nodes/n9/release", None),
                                 ("POST", "/v1/simulation/mishaps", {"do": "explode"})]:
        with pytest.raises(Refused) as refused:
            site.call(method, target, body)
        assert 400 <= refused.value.status < 500
    with pytest.raises(Refused) as refused:
        site.call("POST", "/v1/jobs", {"token": "x" * (2 << 20)})
    assert refused.value.status == 413
    assert site.status()["jobs"]["submitted"] == 0


def test_the_same_site_looks_ahead_the_same_way(sust, tmp_path):
    file = tmp_path / "SITE.toml"
    file.write_text('seed = 4\nclock = "manual"\n[nodes.n]\nnames = "n"\ncount = 300\ncores = 64\n'
                    '[failures]\nnode_lost_every = "300h"\n[[load]]\nevery = "1m"\nduration = { mean = "1h" }\n'
                    'limit = "12h"\nmost_nodes = 8\n')
    one, other = (sust.json("simulate", file, "--until", "3d") for _ in range(2))
    assert one == other and one["events"] > 5000 and one["ended"]["node_lost"] > 0
    file.write_text(file.read_text().replace("seed = 4", "seed = 5"))
    assert sust.json("simulate", file, "--until", "3d")["digest"] != one["digest"]


def test_an_event_costs_the_same_with_ten_times_the_jobs(build, repository):
    """The bench's own measure (bench/cluster), at a small scale."""
    import importlib.util
    spec = importlib.util.spec_from_file_location("part", repository / "bench/cluster/part_simulated.py")
    part = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(part)
    few, _ = part.per_event(build, 1_000, 1_000, 5)
    many, _ = part.per_event(build, 1_000, 10_000, 3)
    assert many < 2 * few, f"{many:.2f} us an event with 10,000 jobs, {few:.2f} with 1,000"

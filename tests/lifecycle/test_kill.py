"""kill -9 of each program at several moments; then the end is right, and nothing is double or lost."""

import json

import pytest
from conftest import wait_for
from lifecycle.parts import ENDED, Load, kill, lives
from processes import processes_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def ended_well_once(site, run):
    """Succeeded, one run, one model, whose lineage names its base and its data."""
    shown = site.run(run)
    assert shown["state"] == "succeeded", shown.get("reason")
    assert [one["id"] for one in site.sust.json("tune", "ls")] == [run]
    models = [model["name"] for model in site.sust.json("model", "ls")]
    assert models.count("triage") == 1
    lineage = json.dumps(site.sust.json("model", "lineage", "triage"))
    assert site.sust.json("model", "show", "tiny")["digest"] in lineage
    assert shown["evaluation"] is not None


def nothing_is_left(site):
    site.sust.run("down")
    assert processes_of(site.sust.root) == []
    assert site.engines() == []


def test_a_run_does_not_notice_that_control_is_killed_in_every_stage(site):
    run = site.start_run()
    killed = set()

    def look():
        shown = site.run(run)
        if shown and shown["stage"] not in killed and shown["state"] not in ENDED:
            killed.add(shown["stage"])
            if len(killed) % 2:
                site.kill("sustd")
            else:
                for program in ("supervisor", "sustd", "gateway"):
                    site.kill(program)
                site.sust.up()
        return shown and shown["state"] in ENDED

    wait_for("the end of the run", look, 600)
    assert {"train", "convert", "evaluate"} <= killed
    ended_well_once(site, run)
    # No stage's job ran a second time: what the controller found again, it did not start again.
    assert {name: count for name, count in site.attempts(run).items() if count > 1} == {}
    nothing_is_left(site)


def test_a_run_goes_on_after_its_trainer_and_its_wrapper_were_killed(site):
    run = site.start_run()
    token = None
    for step, victim in ((3, "child"), (6, "wrapper"), (9, "child")):
        site.until_run(run, f"step {step}", lambda shown: (shown["progress"] or {}).get("step", 0) >= step)
        [token] = site.jobs(run)
        # A fast trainer may have come so far in the attempt before: the new one is about to begin.
        wait_for("the attempt has begun", lambda: site.identity(token, "child"), 60)
        child = site.identity(token, "child")
        kill(site.identity(token, victim))
        shown = wait_for("the end of the attempt", lambda: (s := site.run(run))["state"] in ENDED and s, 60)
        assert shown["state"] in ("failed", "lost"), shown
        assert shown["stage"] == "train"
        assert not lives(child), "the trainer outlived its wrapper"
        site.sust.run("tune", "resume", run)
    wait_for("the end of the run", lambda: site.run(run)["state"] in ENDED, 300)
    ended_well_once(site, run)
    assert site.attempts(run)["train"] == 4
    # Each attempt went on from a checkpoint and none from the beginning.
    lines = [json.loads(line) for line in (site.sust.root / "data/runs" / run / "progress.jsonl").open()]
    steps = [line["step"] for line in lines if line["stage"] == "train"]
    begins = [later for earlier, later in zip(steps, steps[1:]) if later <= earlier]
    assert steps[-1] == 12 and all(begin > 1 for begin in begins), steps
    nothing_is_left(site)


def test_a_cancelled_run_stays_cancelled_whoever_is_killed(site):
    run = site.start_run(max_steps=0)
    site.until_run(run, "training", lambda shown: (shown["progress"] or {}).get("step", 0) >= 1)
    site.sust.run("tune", "cancel", run)
    site.kill("sustd")
    shown = wait_for("cancelled", lambda: (s := site.run(run)) and s["state"] in ENDED and s, 120)
    assert shown["state"] == "cancelled"
    assert "triage" not in [model["name"] for model in site.sust.json("model", "ls")]
    nothing_is_left(site)


def test_a_service_comes_back_to_what_was_asked_for(serving):
    site = serving
    key = site.new_key()
    site.ask(key)

    # An engine dies: its neighbour answers, and it comes back as one.
    first, second = site.jobs("rep-")
    with Load(site, key) as load:
        wait_for("requests flow", lambda: load.good > 0)
        kill(site.identity(first, "child"))
        wait_for("the replica was missed", lambda: site.service()["ready"] < 2, 60)
        site.until_ready()
    assert load.good > 0 and load.bad == []
    wait_for("two engines", lambda: len(site.engines()) == 2)

    # A wrapper dies: its engine goes with it, so that there are never three.
    engine = site.identity(second, "child")
    with Load(site, key) as load:
        wait_for("requests flow", lambda: load.good > 0)
        kill(site.identity(second, "wrapper"))
        wait_for("its engine is gone", lambda: not lives(engine))
        site.until_ready()
    assert load.good > 0 and load.bad == []
    wait_for("two engines", lambda: len(site.engines()) == 2)
    assert site.jobs("rep-") == [first, second]
    nothing_is_left(site)


def test_a_service_outlives_its_control(serving):
    site = serving
    key = site.new_key()
    engines = {token: site.identity(token, "child") for token in site.jobs("rep-")}

    # sustd alone: not one request notices.
    with Load(site, key) as load:
        site.kill_and_wait("sustd")
    assert load.good > 0 and load.bad == []

    # The gateway alone: what it has written is counted once, and it answers again. (A request is
    # in the ledger 20 ms after its end; a gateway killed before that loses the line, no more.)
    wait_for("every request is counted", lambda: site.usage()["requests"] == load.good)
    site.kill_and_wait("gateway")
    wait_for("an answer", lambda: site.try_ask(key))
    wait_for("one more is counted", lambda: site.usage()["requests"] == load.good + 1)

    # Everything but the replicas, and not all of it comes back by itself.
    for program in ("supervisor", "sustd", "gateway"):
        site.kill(program)
    site.sust.up()
    site.until_ready()
    wait_for("an answer", lambda: site.try_ask(key))
    assert {token: site.identity(token, "child") for token in site.jobs("rep-")} == engines
    wait_for("two engines", lambda: len(site.engines()) == 2)
    nothing_is_left(site)

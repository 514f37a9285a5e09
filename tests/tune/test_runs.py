"""Runs with the real trainer and the real engine, of a few steps each."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import wait_for
from processes import processes_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500)]

SHORT = {"max_steps": 3, "eval_limit": 4, "max_perplexity_growth": 10}
# So few steps move perplexity by chance; promotion is another test's matter.
LONG = {"max_steps": 24, "checkpoint_steps": 2, "eval_limit": 2, "max_perplexity_growth": 10}


def process(root, *words):
    """The process whose command line has all the words."""
    found = [pid for pid, line in processes_of(root) if all(word in line for word in words)]
    return found[0] if found else None


def trainer(root):
    """The training program: it sees its own paths only, so it is told by its specification."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                inside = (entry / "root/sust/work/lease.json").resolve()
                ours = root / "data/runs"
                if b"/sust/recipe/train.py" in line and b"--mount" not in line:
                    lease = entry / "root/sust/work/lease.json"
                    if any(os.path.samefile(lease, one) for one in ours.glob("*/lease.json")) and inside:
                        return int(entry.name)
            except OSError:
                continue
    return None


def names(tuning):
    return {item["name"] for item in tuning.sust.json("model", "ls")}


def test_a_whole_run_ends_with_a_name_a_lineage_and_an_evaluation(tuning):
    run = tuning.end(tuning.start("--name", "triage", **SHORT))
    assert run["state"] == "succeeded", run["reason"]
    assert [stage["state"] for stage in run["stages"]] == ["done"] * 5
    assert {"triage", "tiny/gguf"} <= names(tuning)
    assert [score["n"] for score in run["evaluation"]["datasets"]] == [4]
    assert run["evaluation"]["perplexity"]["tokens"] > 0
    lineage = json.dumps(tuning.sust.json("model", "lineage", "triage"))
    for digest in (run["base_digest"], run["data_digest"], run["recipe_digest"], run["id"]):
        assert digest in lineage
    assert not (tuning.sust.root / "data/runs" / run["id"] / "gguf").exists()

    judged = tuning.sust.json("eval", "run", "triage", "--data", "known", "--limit", "2", timeout=600)
    shown = tuning.end(judged["id"] if isinstance(judged, dict) else judged[-1]["id"])
    assert (shown["kind"], shown["state"]) == ("evaluation", "succeeded")
    assert shown["evaluation"]["datasets"][0]["n"] == 2
    assert processes_of(tuning.sust.root / "data/runs") == []


def test_a_followed_log_ends_with_its_run_and_people_can_read_both(tuning):
    run = tuning.start("--name", "triage", **SHORT)
    follower = subprocess.Popen(tuning.sust.argv("tune", "logs", run, "--stage", "train", "-f"), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=tuning.sust.environment)
    assert tuning.end(run)["state"] == "succeeded"
    followed, trouble = follower.communicate(timeout=60)
    assert follower.returncode == 0, trouble
    assert followed and followed == tuning.sust.run("tune", "logs", run, "--stage", "train").stdout
    assert tuning.sust.json("tune", "logs", run, "--stage", "train")["text"] == followed
    shown = tuning.sust.run("tune", "show", run).stdout
    assert run in shown and "succeeded" in shown and "held-out perplexity" in shown
    assert max(len(line) for line in shown.splitlines()) <= 100
    assert tuning.sust.run("tune", "logs", run, "--stage", "dance", check=False).returncode == 2


def test_a_model_that_forgot_is_refused_with_reason_and_advice(tuning):
    run = tuning.end(tuning.start("--name", "forgetful", max_steps=30, eval_limit=4, replay_windows=0))
    assert run["state"] == "refused", run["reason"]
    assert "perplexity grew from" in run["reason"] and "limit 5 %" in run["reason"]
    assert run["advice"] == "set replay_windows to 2"
    assert "forgetful" not in names(tuning)
    assert run["result"] is not None
    assert tuning.sust.run("tune", "resume", run["id"], check=False).returncode == 5


def test_a_base_is_judged_and_what_was_not_measured_is_said(tuning):
    """For people: no adapter, so nothing tuned to show."""
    said = tuning.sust.run("eval", "run", "tiny", "--data", "known", "--limit", "2", timeout=600).stdout
    assert "succeeded" in said and "tuned not measured" in said
    assert "evaluated on known: base" in tuning.sust.run("model", "lineage", "tiny").stdout


def test_a_follower_of_a_lost_run_ends_and_the_run_can_be_removed(tuning):
    run = tuning.start("--name", "triage", **LONG)
    follower = subprocess.Popen(tuning.sust.argv("tune", "resume", run, "--follow"), env=tuning.sust.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert follower.wait(60) == 5 and "at work" in follower.stderr.read()
    tuning.step(run, 3)
    os.kill(process(tuning.sust.root, "sust-agent", run), signal.SIGKILL)
    assert tuning.end(run)["state"] == "lost"
    tuning.sust.run("tune", "resume", run)
    tuning.step(run, 5)
    follower = subprocess.Popen(tuning.sust.argv("eval", "run", "tiny", "--data", "tickets"),
                                env=tuning.sust.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    evaluation = wait_for("the evaluation", lambda: next(
        (one["id"] for one in tuning.sust.json("tune", "ls") if one["kind"] == "evaluation"), None))
    wrapper = wait_for("its wrapper", lambda: process(tuning.sust.root, "sust-agent", evaluation))
    os.kill(wrapper, signal.SIGKILL)
    assert follower.wait(120) != 0 and "lost" in follower.stderr.read()

    assert tuning.sust.run("tune", "rm", run, "--yes", check=False).returncode == 5
    tuning.sust.run("tune", "cancel", run)
    assert tuning.end(run)["state"] == "cancelled"
    refused = tuning.sust.run("data", "rm", "tickets", "--yes", check=False)
    assert refused.returncode == 5 and "sust tune rm" in refused.stderr
    tuning.sust.run("tune", "rm", run, "--yes")
    tuning.sust.run("tune", "rm", evaluation, "--yes")
    assert tuning.sust.json("tune", "ls") == []
    tuning.sust.run("data", "rm", "tickets", "--yes")
    assert not (tuning.sust.root / "data/runs" / run).exists()


def test_cancel_keeps_checkpoints_and_resume_goes_on_from_them(tuning):
    run = tuning.start("--name", "triage", **LONG)
    reached = tuning.step(run, 6)
    tuning.sust.run("tune", "cancel", run)
    assert tuning.end(run)["state"] == "cancelled"
    assert "triage" not in names(tuning)
    before = len(tuning.steps_told(run))
    tuning.sust.run("tune", "resume", run)
    ended = tuning.end(run)
    assert (ended["state"], ended["epoch"]) == ("succeeded", 2), ended["reason"]
    assert tuning.steps_told(run)[before] > reached - 2, "it began again instead of going on"
    assert tuning.steps_told(run)[-1] == LONG["max_steps"]


@pytest.mark.parametrize("victim", ["trainer", "wrapper"])
def test_a_killed_attempt_ends_the_run_and_resume_finishes_it(tuning, victim):
    run = tuning.start("--name", "triage", **LONG)
    tuning.step(run, 4)
    root = tuning.sust.root
    look = (lambda: trainer(root)) if victim == "trainer" else (lambda: process(root, "sust-agent", "job", f"{run}-train"))
    pid = wait_for(f"the {victim}", look)
    os.kill(pid, signal.SIGKILL)
    ended = tuning.end(run)
    assert ended["state"] in ("failed", "lost"), ended["reason"]
    assert f"sust tune resume {run}" in ended["advice"]
    if victim == "wrapper":
        assert "its wrapper" in ended["reason"] and "step" not in ended["reason"], "not what it printed last"
    assert wait_for("no trainer is left", lambda: trainer(root) is None)
    tuning.sust.run("tune", "resume", run)
    ended = tuning.end(run)
    assert ended["state"] == "succeeded", ended["reason"]
    assert {stage["name"]: stage["attempts"] for stage in ended["stages"]}["train"] == 2


def test_sust_down_ends_a_run_that_can_be_resumed_and_says_so(tuning):
    run = tuning.start("--name", "triage", **LONG)
    tuning.step(run, 4)
    tuning.sust.run("down")
    tuning.sust.up()
    ended = tuning.end(run)
    assert ended["state"] == "cancelled" and "sust down" in ended["reason"]
    assert f"sust tune resume {run}" in ended["advice"]
    tuning.sust.run("tune", "resume", run)
    ended = tuning.end(run)
    assert ended["state"] == "succeeded", ended["reason"]


def test_a_killed_controller_finds_its_run_again(tuning):
    run = tuning.start("--name", "triage", **LONG)
    tuning.step(run, 4)
    os.kill(tuning.sust.pid("sustd"), signal.SIGKILL)
    wait_for("sustd answers again", lambda: tuning.sust.run("tune", "ls", check=False).returncode == 0)
    ended = tuning.end(run)
    assert ended["state"] == "succeeded", ended["reason"]
    assert all(stage["attempts"] == 1 for stage in ended["stages"])
    assert len(tuning.sust.json("tune", "ls")) == 1

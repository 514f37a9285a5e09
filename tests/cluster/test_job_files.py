"""What jobs read from the store and leave for it, with the real programs."""

import json
import os
import random
import signal
import time

import pytest

from cluster.jobs import Jobs
from conftest import REPOSITORY, wait_for

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]
LINE = '{"prompt": "a", "completion": "b"}\n'
READS = '[[input]]\nartifact = "tickets"\npath = "in/tickets"\n'
LEAVES = '[[output]]\nname = "made"\nkind = "dataset"\npath = "out/data.jsonl"\n'


@pytest.fixture
def jobs(sust, tmp_path):
    sust.up()
    jobs = Jobs(sust, tmp_path)
    (tmp_path / "tickets.jsonl").write_text(LINE * 5)
    sust.run("data", "add", tmp_path / "tickets.jsonl", "--name", "tickets")
    return jobs


def blob(jobs, name):
    digest = jobs.sust.json("data", "show", name)["files"][0]["digest"].removeprefix("sha256:")
    return jobs.sust.root / "data/store/blobs/sha256" / digest


def refused(jobs, text, verb="submit"):
    done = jobs.sust.run("job", verb, jobs.file("true", text), check=False)
    assert done.returncode != 0 and jobs.sust.json("job", "ls") == [], done.stdout
    return done


def test_a_dataset_is_made_from_another_and_says_so(jobs):
    job = jobs.submit("head -2 in/tickets/train.jsonl > out/data.jsonl", READS + LEAVES)
    shown = jobs.end(job)
    assert shown["end"] == "completed", shown
    assert jobs.sust.json("data", "show", "made")["lines"] == 2 and blob(jobs, "made").read_text() == LINE * 2
    told = jobs.sust.run("job", "show", job).stdout
    for word in ("tickets", "in/tickets", "made", "out/data.jsonl", shown["outputs"][0]["digest"][:15]):
        assert word in told, told
    assert not (jobs.sust.root / "data/jobs" / job / "inputs").exists()
    assert not (jobs.sust.root / "data/jobs" / job / "1/in/tickets").is_symlink()


def test_a_model_keeps_its_files_and_its_lineage(jobs):
    jobs.sust.run("model", "import", REPOSITORY / "models/tiny", "--name", "tiny")
    job = jobs.submit("mkdir out && cp -r $SUST_INPUT_BASE/. out/",
                      '[[input]]\nartifact = "tiny"\npath = "in/base"\n'
                      '[[output]]\nname = "copy/of-tiny"\nkind = "model"\npath = "out"\n')
    shown = jobs.end(job)
    assert shown["end"] == "completed", (shown, jobs.sust.run("job", "logs", job, "--err").stdout)
    made, base = (jobs.sust.json("model", "show", name) for name in ("copy/of-tiny", "tiny"))
    assert made["files"] == base["files"]
    statement = made["statements"][0]["predicate"]
    assert statement["runDetails"]["metadata"]["invocationId"] == job
    assert statement["buildDefinition"]["resolvedDependencies"][0]["digest"]["sha256"] == \
        base["digest"].removeprefix("sha256:")
    assert base["digest"] in json.dumps(jobs.sust.json("model", "lineage", "copy/of-tiny"))


def test_a_job_writes_to_its_copy_and_never_to_the_store(jobs):
    before = blob(jobs, "tickets").read_bytes()
    job = jobs.submit("chmod u+w in/tickets/train.jsonl; echo spoilt >> in/tickets/train.jsonl; "
                      "rm -rf in/tickets/*; test -z \"$(ls in/tickets)\"", READS)
    assert jobs.end(job)["end"] == "completed"
    assert blob(jobs, "tickets").read_bytes() == before


def test_what_a_job_reads_is_kept_while_it_lives(jobs):
    job = jobs.submit("while ! test -e $SUST_JOB_ATTEMPT/go; do sleep 0.05; done; "
                      "cmp in/tickets/train.jsonl $SUST_INPUT_TICKETS/train.jsonl", READS)
    jobs.running(job)
    held = jobs.sust.run("data", "rm", "tickets", "--yes", check=False)
    assert held.returncode == 5 and f"sust job cancel {job}" in held.stderr
    (jobs.sust.root / "data/jobs" / job / "1/go").touch()
    assert jobs.end(job)["end"] == "completed"
    jobs.sust.run("data", "rm", "tickets", "--yes")


@pytest.mark.parametrize("script, said", [
    ("true", "has not left it"),
    ("ln -s /etc/passwd out/data.jsonl", "a symbolic link"),
    ("ln -s $PWD/in/tickets/train.jsonl out/data.jsonl", "a symbolic link"),
    ("rmdir out; ln -s /etc out; true", "a symbolic link"),
    ("mkfifo out/data.jsonl", "no plain file"),
    ("mkdir out/data.jsonl", "an empty folder"),
    ("mkdir out/data.jsonl; cp in/tickets/train.jsonl out/data.jsonl/", "is a folder"),
    ("echo '{' > out/data.jsonl", "data.jsonl:1")])
def test_an_output_that_is_missing_or_wrong_fails_the_job_and_leaves_no_name(jobs, script, said):
    job = jobs.submit(script, READS + LEAVES)
    done = jobs.wait(job)
    shown = jobs.show(job)
    assert done.returncode == 125 and said in shown["reason"] and "output made" in shown["reason"], shown
    assert shown["end"] == "failed" and shown["exit_status"] == 0
    assert shown["attempts"][-1]["end"] == "completed" and shown["outputs"][0]["digest"] is None
    assert jobs.sust.run("data", "show", "made", check=False).returncode == 4


@pytest.mark.parametrize("verb", ["submit", "plan"])
@pytest.mark.parametrize("text, status, said", [
    (READS.replace("tickets", "unknown"), 4, "the store has no 'unknown'"),
    (f'[[input]]\nartifact = "sha256:{"0" * 64}"\npath = "a"\n', 4, "the store has no"),
    (LEAVES.replace('"made"', '"tickets"'), 5, "replace = true"),
    (READS.replace("in/tickets", "../tickets"), 2, "'..'"),
    (READS.replace("in/tickets", "/etc/tickets"), 2, "no environment"),
    (LEAVES.replace("out/data.jsonl", "/etc/passwd"), 2, "outside the working directory"),
    (READS + LEAVES.replace("out/", "in/tickets/"), 2, "one place"),
    (LEAVES + LEAVES.replace("made", "other"), 2, "one place"),
    (LEAVES.replace("made", "Made of\\u001b[31m"), 2, "name")])
def test_what_cannot_be_is_refused_before_anything_is_begun(jobs, verb, text, status, said):
    done = refused(jobs, text, verb)
    assert done.returncode == status and said in done.stderr and "\x1b" not in done.stderr, done.stderr


def test_what_is_in_the_way_is_left_alone(jobs, tmp_path):
    work = tmp_path / "work"
    (work / "in").mkdir(parents=True)
    (work / "in/tickets").write_text("mine")
    shown = jobs.end(jobs.submit("true", f'workdir = "{work}"\n' + READS))
    assert shown["end"] == "start_failed" and "something is there" in shown["reason"], shown
    assert (work / "in/tickets").read_text() == "mine"
    (work / "in/tickets").unlink()
    for _ in range(2):  # the same working directory serves one job after the other
        shown = jobs.end(jobs.submit("wc -l < in/tickets/train.jsonl", f'workdir = "{work}"\n' + READS))
        assert shown["end"] == "completed", shown
        assert jobs.out(shown["id"]).strip() == "5" and list((work / "in").iterdir()) == []


def test_the_next_attempt_reads_and_leaves_its_own(jobs):
    job = jobs.submit("cp in/tickets/train.jsonl out/data.jsonl; echo $SUST_JOB_EPOCH; test $SUST_JOB_EPOCH -ge 2",
                      '[retry]\ncount = 1\non = ["failed"]\nback_off = "0s"\n' + READS + LEAVES)
    assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "2\n"
    assert blob(jobs, "made").read_text() == LINE * 5


def test_two_jobs_of_one_name_are_not_both_right_unless_they_say_so(jobs):
    first = jobs.submit("sleep 1; cp in/tickets/train.jsonl out/data.jsonl", READS + LEAVES)
    second = jobs.submit("sleep 1; head -1 in/tickets/train.jsonl > out/data.jsonl", READS + LEAVES)
    ends = sorted(jobs.end(job)["end"] for job in (first, second))
    assert ends == ["completed", "failed"]
    third = jobs.submit("head -3 in/tickets/train.jsonl > out/data.jsonl", READS + LEAVES + "replace = true\n")
    assert jobs.end(third)["end"] == "completed" and blob(jobs, "made").read_text() == LINE * 3


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_of_the_controller_between_its_steps_publishes_once(jobs, seed):
    chosen = random.Random(seed)
    size = 40_000
    source = jobs.folder / "large.jsonl"
    source.write_text("".join(f'{{"prompt": "{i}", "completion": "{"x" * 500}"}}\n' for i in range(size)))
    jobs.sust.run("data", "add", source, "--name", "large")
    text = READS.replace("tickets", "large") + LEAVES
    job = jobs.submit("cp in/large/train.jsonl out/data.jsonl", text)
    for _ in range(6):
        time.sleep(chosen.uniform(0, 0.6))
        old = jobs.sust.pid("sustd")
        os.kill(old, signal.SIGKILL)
        wait_for("sustd is back", lambda: jobs.sust.pid("sustd") != old and
                 jobs.sust.run("status", check=False).returncode == 0)
    shown = jobs.end(job)
    assert shown["end"] == "completed" and len(shown["attempts"]) == 1, shown
    assert blob(jobs, "made").read_bytes() == source.read_bytes()
    index = json.loads((jobs.sust.root / "data/store/index.json").read_text())
    subject = shown["outputs"][0]["digest"].replace(":", "-")
    assert sum(subject in json.dumps(entry) for entry in index["manifests"]) == 1
    assert not list((jobs.sust.root / "data/store/roots").glob("job/*"))
    # Nothing of the steps that were cut off stays: what is not referred to is what writers left.
    jobs.sust.run("gc", "--yes", check=False)
    assert jobs.sust.json("data", "show", "made")["lines"] == size


@pytest.mark.lab
def test_an_environment_has_its_input_at_the_place_that_was_said(sust_with_images, tmp_path):
    sust_with_images.up()
    jobs = Jobs(sust_with_images, tmp_path)
    (tmp_path / "tickets.jsonl").write_text(LINE * 5)
    sust_with_images.run("data", "add", tmp_path / "tickets.jsonl", "--name", "tickets")
    text = ('environment = "trainer"\n[[input]]\nartifact = "tickets"\npath = "/data/tickets"\n'
            + READS.replace('path = "in/tickets"', 'path = "in/more"') + LEAVES)
    job = jobs.submit("cmp $SUST_INPUT_TICKETS/train.jsonl in/more/train.jsonl && echo $SUST_INPUT_TICKETS && "
                      "! touch /data/tickets/x && cat /data/tickets/train.jsonl > out/data.jsonl", text)
    shown = jobs.end(job)
    assert shown["end"] == "completed", (shown, jobs.sust.run("job", "logs", job, "--err").stdout)
    assert jobs.out(job) == "/data/tickets\n" and blob(jobs, "made").read_text() == LINE * 5

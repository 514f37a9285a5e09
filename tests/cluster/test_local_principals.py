"""Jobs of this machine as its users, through a sustd of root: what one may do is neither another's nor root's."""

import json
import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest

from cluster.jobs import Jobs
from cluster.principals import ALICE, BOB, as_, can_be_others, listed, spool, within_reach
from conftest import Sust, wait_for
from labs.slurm.users import as_user, ensure_users
from processes import processes_of

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]
ENDLESS = "while :; do sleep 0.05; done"
BESIDE = "cpus_per_task = 0"  # several at once, however few cores there are
OF_ALICE, OF_BOB = (f'principal = "{user}"\n{BESIDE}' for user in (ALICE, BOB))


@pytest.fixture(scope="session")
def build(build):
    with within_reach(build) as folder:
        yield folder


@pytest.fixture
def jobs(sust, tmp_path):
    if not can_be_others():
        pytest.skip("only root runs jobs as others")
    (sust.root / "config").mkdir(parents=True)
    (sust.root / "config/backends.toml").write_text(listed(sust.root))
    sust.environment["OF_ROOT"] = "a secret of whoever started sustd"
    sust.up()
    found = Jobs(sust, tmp_path)
    found.place = spool(sust.root)
    return found


def owner(path):
    return pwd.getpwuid(path.lstat().st_uid).pw_name


def kill_sustd(sust):
    killed = sust.pid("sustd")
    os.kill(killed, signal.SIGKILL)
    wait_for("sustd is back", lambda: sust.pid("sustd") != killed and
             sust.run("job", "ls", check=False).returncode == 0)


def wrapper(jobs, job):
    return next(pid for pid, line in processes_of(jobs.place) if "sust-agent" in line and job in line)


@pytest.mark.parametrize("user", [ALICE, BOB])
def test_a_job_its_wrapper_and_its_files_are_the_principals(jobs, user):
    entry = pwd.getpwnam(user)
    job = jobs.submit("env; until test -e go; do sleep 0.05; done; touch made", f'principal = "{user}"')
    jobs.running(job)
    directory = jobs.place / job
    pid = wrapper(jobs, job)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(entry.pw_uid)] * 4 and status["Gid"].split() == [str(entry.pw_gid)] * 4
    assert set(map(int, status["Groups"].split())) == set(os.getgrouplist(user, entry.pw_gid))
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert b"OF_ROOT" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert as_(user, "touch", directory / "1/go").returncode == 0
    assert jobs.end(job)["end"] == "completed"
    said = dict(line.split("=", 1) for line in jobs.out(job).splitlines() if "=" in line)
    assert (said["USER"], said["HOME"]) == (user, entry.pw_dir) and "OF_ROOT" not in said
    for path in ("", "job.json", "fence.json", "1", "1/attempt.json", "1/exit.json", "1/stdout", "1/made"):
        assert owner(directory / path) == user, path
        assert (directory / path).lstat().st_gid == entry.pw_gid, path
    assert directory.stat().st_mode & 0o777 == 0o700
    assert owner(jobs.place) == "root" and jobs.place.stat().st_mode & 0o7777 == 0o711


def test_one_neither_submits_nor_reads_nor_cancels_as_another(jobs):
    job = jobs.submit(f"echo mine; {ENDLESS}", OF_ALICE)
    jobs.running(job)
    directory = jobs.place / job
    for words in (("cat", directory / "job.json"), ("cat", directory / "1/stdout"), ("ls", directory),
                  ("touch", directory / "1/cancel"), ("mkdir", jobs.place / "job-of-bob"), ("ls", jobs.place),
                  ("kill", wrapper(jobs, job)), ("mv", directory, jobs.place / "away")):
        assert as_(BOB, *words).returncode != 0, words
    # The API answers who it belongs to; Bob is not told of the job, nor can he submit one as Alice, or as himself.
    text = jobs.file("true", OF_ALICE)
    text.chmod(0o644)
    for words in (("job", "show", job), ("job", "logs", job), ("job", "cancel", job), ("job", "submit", text)):
        assert as_(BOB, *jobs.sust.argv(*words)).returncode != 0, words
    # A job of Bob's is Bob.
    sly = jobs.submit(f"cat {directory}/1/stdout || touch {directory}/1/cancel || kill {wrapper(jobs, job)} || exit 9",
                      OF_BOB)
    assert jobs.end(sly)["exit_status"] == 9 and "mine" not in jobs.out(sly)
    assert jobs.show(job)["state"] == "running"
    jobs.sust.run("job", "cancel", job)
    assert jobs.end(job)["end"] == "cancelled" and not processes_of(directory)


def test_who_is_not_on_the_list_is_refused_with_the_next_step(jobs):
    for user in ("nobody", "root", "no-such-user", str(pwd.getpwnam(ALICE).pw_uid)):
        done = jobs.sust.run("job", "submit", jobs.file("true", f'principal = "{user}"'), check=False)
        assert done.returncode == 3 and f"does not run jobs as {user}" in done.stderr, done.stderr
        assert "`principals` in backends.toml" in done.stderr and ALICE in done.stderr, done.stderr
    assert jobs.sust.json("job", "ls") == [] and sorted(one.name for one in jobs.place.iterdir()) == [".lock"]


def test_kill_9_of_sustd_in_mid_run_finds_such_a_job_again(jobs):
    goes_on = jobs.submit("until test -e go; do sleep 0.05; done; id -un", OF_ALICE)
    stopped = jobs.submit(ENDLESS, OF_BOB)
    for job in (goes_on, stopped):
        jobs.running(job)
    pid = wrapper(jobs, goes_on)
    kill_sustd(jobs.sust)
    for job in (goes_on, stopped):
        jobs.running(job)
    assert wrapper(jobs, goes_on) == pid
    assert as_(ALICE, "touch", jobs.place / goes_on / "1/go").returncode == 0
    shown = jobs.end(goes_on)
    assert shown["end"] == "completed" and len(shown["attempts"]) == 1 and jobs.out(goes_on).strip() == ALICE
    jobs.sust.run("job", "cancel", stopped)
    assert jobs.end(stopped)["end"] == "cancelled" and not processes_of(jobs.place / stopped)


def test_another_attempt_is_the_principals_too(jobs):
    job = jobs.submit("id -un; test $SUST_JOB_EPOCH -ge 2",
                      f'{OF_ALICE}\n[retry]\ncount = 1\non = ["failed"]\nback_off = "0s"')
    assert jobs.end(job)["end"] == "completed" and jobs.out(job).strip() == ALICE
    assert owner(jobs.place / job / "2/exit.json") == ALICE


def test_links_and_pipes_in_a_users_directory_lead_root_nowhere(jobs):
    secret = jobs.place.parent / "secret"
    secret.write_text("root's own")
    secret.chmod(0o640)  # root's group may read it, too
    made = jobs.place.parent / "made"
    job = jobs.submit(f"trap '' TERM; ln -sf {secret} stdout; rm -f stderr; mkfifo stderr; ln -s {made} cancel; {ENDLESS}",
                      f'{OF_ALICE}\n[time]\ngrace = "3s"')
    wait_for("the link is there", lambda: (jobs.place / job / "1/cancel").is_symlink())
    jobs.sust.run("job", "cancel", job)  # writes where the link is
    assert jobs.end(job)["end"] == "cancelled"
    for stream in ((), ("--err",)):
        assert "root" not in jobs.sust.run("job", "logs", *stream, job, check=False, timeout=60).stdout
    assert jobs.end(jobs.submit("true"))["end"] == "completed"  # nothing waits for the pipe
    assert secret.read_text() == "root's own" and not made.exists()
    assert secret.lstat().st_uid == 0


def test_what_a_principal_says_of_its_processes_ends_nobody_elses(jobs):
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        job = jobs.submit(ENDLESS, OF_ALICE)
        jobs.running(job)
        word = jobs.place / job / "1/attempt.json"
        pid = wrapper(jobs, job)
        ticks = Path(f"/proc/{stranger.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        lie = json.loads(word.read_text())
        lie["child"] |= {"pid": stranger.pid, "start_ticks": int(ticks)}
        file = jobs.place.parent / "lie"
        file.write_text(json.dumps(lie))
        file.chmod(0o644)
        assert as_(ALICE, "cp", file, word).returncode == 0
        jobs.sust.run("down", "--keep-jobs")
        os.kill(pid, signal.SIGKILL)  # what it left is ended by sustd, which looks for it by these words
        jobs.sust.up()
        assert jobs.end(job)["end"] == "vanished"
        assert stranger.poll() is None and not processes_of(jobs.place / job)
    finally:
        stranger.kill()
        stranger.wait()


def test_down_ends_the_jobs_of_all(jobs):
    made = [jobs.submit(ENDLESS, text) for text in (OF_ALICE, OF_BOB, BESIDE)]
    for job in made:
        jobs.running(job)
    jobs.sust.run("down")
    assert not [line for job in made for _, line in processes_of(job) if "sust-agent" in line]


def test_the_check_tries_each_principal_and_says_what_to_mend(jobs):
    def lines():
        return {line["what"]: line for line in jobs.sust.json("backend", "check", "local", check=False)["checks"]}

    told = lines()
    assert told[f"principal {ALICE}"]["outcome"] == told[f"principal {BOB}"]["outcome"] == "good", told
    jobs.place.parent.chmod(0o700)
    try:
        told = lines()[f"principal {ALICE}"]
    finally:
        jobs.place.parent.chmod(0o711)
    assert told["outcome"] == "bad" and "o+x" in told["hint"], told


def test_jobs_that_are_elsewhere_are_not_left_behind(jobs):
    """The place is said after there have been jobs: sustd says how to move them, and moved they are all there."""
    sust = jobs.sust
    job = jobs.submit("echo here")
    assert jobs.end(job)["end"] == "completed"
    sust.run("down")
    elsewhere = sust.root.parent / "elsewhere"
    file = sust.root / "config/backends.toml"
    file.write_text(file.read_text().replace(str(jobs.place), str(elsewhere)))
    failed = sust.run("up", *sust.settings, check=False)
    assert failed.returncode != 0 and f"ln -s {elsewhere}" in failed.stderr, failed.stderr
    sust.run("down", check=False)
    jobs.place.rename(elsewhere)
    (sust.root / "data/jobs").unlink()
    (sust.root / "data/jobs").symlink_to(elsewhere)
    sust.up()
    assert jobs.out(job) == "here\n"
    other = jobs.submit("id -un", OF_BOB)
    assert jobs.end(other)["end"] == "completed" and owner(elsewhere / other) == BOB


class PlainSust(Sust):
    """... of a user who is not root."""

    def argv(self, *arguments):
        return [*(as_user(ALICE) if can_be_others() else ()), *super().argv(*arguments)]


@pytest.mark.parametrize("text", ["", f'[local]\nprincipals = ["{BOB}"]\njobs = "SPOOL"\n'], ids=["unlisted", "listed"])
def test_a_plain_users_sustd_refuses_with_the_reason(build, short_tmp, tmp_path, text):
    if text and not can_be_others():
        pytest.skip("the user whom the list names has to be made by root")
    root = short_tmp / "plain"
    (root / "config").mkdir(parents=True)
    (root / "config/backends.toml").write_text(text.replace("SPOOL", str(root / "spool")))
    if can_be_others():
        ensure_users()
        short_tmp.chmod(0o711)
        for path in (root, root / "config", root / "config/backends.toml"):
            os.chown(path, pwd.getpwnam(ALICE).pw_uid, pwd.getpwnam(ALICE).pw_gid)
    sust = PlainSust(build, root)
    try:
        sust.up()
        jobs = Jobs(sust, tmp_path)
        file = root / "job.toml"
        for user in (BOB, "root"):
            file.write_text(f'command = ["true"]\nprincipal = "{user}"\n')
            file.chmod(0o644)
            done = sust.run("job", "submit", file, check=False)
            assert done.returncode == 2 and "local has no principals here" in done.stderr, done.stderr
            assert "who is not root" in done.stderr and "let root run sustd" in done.stderr, done.stderr
        assert sust.json("job", "ls") == []
        told = {line["what"]: line for line in sust.json("backend", "check", "local", check=False)["checks"]}
        if text:
            assert told[f"principal {BOB}"]["outcome"] == "bad" and "let root" in told[f"principal {BOB}"]["hint"]
        file.write_text('command = ["id", "-u"]\n')
        own = sust.json("job", "submit", file)["id"]
        assert jobs.end(own)["end"] == "completed" and jobs.out(own).strip() == str(root.stat().st_uid)
    finally:
        sust.close()

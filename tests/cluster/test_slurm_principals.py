"""Jobs as their users on a real Slurm: what one may do is neither another's to do nor root's to be tricked into."""

import os
import pwd
import subprocess

import pytest

from cluster.slurm_sites import connect, native
from conftest import wait_for
from labs.slurm import IMPATIENT
from labs.slurm.users import as_user

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ALICE, BOB = "sust-lab-a", "sust-lab-b"
LIST = f'principals = ["{ALICE}", "{BOB}"]'


@pytest.fixture(scope="module")
def lab(make_slurm):
    return make_slurm(nodes=2, rest=True, settings=IMPATIENT)


@pytest.fixture(params=["commands", "slurmrestd"])
def transport(request):
    return request.param


@pytest.fixture
def jobs(lab, sust, tmp_path, transport):
    """The directory of all jobs is where users may go; the rest of Sust's is not."""
    shared = lab.scratch / f"jobs-{os.getpid()}-{tmp_path.name}"
    agent = lab.scratch / "sust-agent"
    if not agent.exists():
        agent.write_bytes((sust.build / "bin/sust-agent").read_bytes())
        agent.chmod(0o755)
    return connect(lab, sust, tmp_path, transport, f'agent = "{agent}"\n{LIST}', shared)


def owner(path):
    return pwd.getpwuid(path.lstat().st_uid).pw_name


def as_(user, *words):
    return subprocess.run([*as_user(user), *words], capture_output=True, text=True)


@pytest.mark.parametrize("user", [ALICE, BOB])
def test_a_job_runs_as_its_principal_and_so_do_its_files(jobs, lab, user):
    job = jobs.submit('id -un; echo $HOME $USER; touch made', f'principal = "{user}"')
    shown = jobs.end(job)
    assert shown["end"] == "completed", shown
    home = pwd.getpwnam(user).pw_dir
    assert jobs.out(job).split() == [user, home, user]
    assert lab.job(native(jobs, job))["UserId"].startswith(f"{user}(")
    for path in ("", "job.json", "fence.json", "1", "1/exit.json", "1/stdout", "1/made", "1/native_id"):
        assert owner(jobs.shared / job / path) == user, path
    assert owner(jobs.shared) == "root"


def test_one_neither_reads_nor_cancels_nor_takes_the_place_of_another(jobs, lab):
    job = jobs.submit("echo mine; exec sleep 600", f'principal = "{ALICE}"')
    jobs.running(job)
    directory = jobs.shared / job
    assert as_(ALICE, "cat", directory / "job.json").returncode == 0
    for file in ("job.json", "1/stdout"):
        assert as_(BOB, "cat", directory / file).returncode != 0, file
    assert as_(BOB, "mkdir", jobs.shared / "job-of-bob").returncode != 0
    # Bob's own job of that name and comment is a stranger's.
    lab.submit("exit 9", f"--job-name={job}", f"--comment=sust:{job}/1", user=BOB)
    assert as_(BOB, "touch", directory / "1/cancel").returncode != 0
    assert jobs.show(job)["state"] == "running"
    jobs.sust.run("job", "cancel", job)
    assert jobs.end(job)["end"] == "cancelled"


def test_who_is_not_on_the_list_is_refused_and_root_never_is(jobs):
    for user in ("nobody", "root"):
        done = jobs.sust.run("job", "submit", jobs.file("true", f'principal = "{user}"'), "--backend", "lab", check=False)
        assert done.returncode != 0 and user in done.stderr, done.stderr
    assert jobs.sust.json("job", "ls") == []


def test_links_and_pipes_in_a_users_directory_lead_nowhere(jobs, sust):
    secret = sust.root / "config/secret"
    secret.touch(0o600)
    secret.write_text("root's own")
    readable_by_root_group = jobs.shared.parent / f"group-{os.getpid()}"
    readable_by_root_group.write_text("of group root")
    readable_by_root_group.chmod(0o640)
    job = jobs.submit(f"ln -sf {readable_by_root_group} stdout; rm -f stderr; mkfifo stderr; ln -s {secret.parent} more",
                      f'principal = "{ALICE}"')
    assert jobs.end(job)["end"] == "completed"
    for stream in ((), ("--err",)):
        said = jobs.sust.run("job", "logs", *stream, job, check=False, timeout=30)
        assert "root" not in said.stdout
    assert jobs.end(jobs.submit("true"))["end"] == "completed"  # nothing waits for a pipe
    assert secret.read_text() == "root's own"


def test_a_user_who_rewrites_his_words_becomes_nobody_else(jobs, lab):
    job = jobs.submit("exec sleep 600", f'principal = "{ALICE}"')
    jobs.running(job)
    words = jobs.shared / job / "job.json"
    text = words.read_text()
    assert ALICE in text
    as_(ALICE, "sh", "-c", f"sed -i s/{ALICE}/{BOB}/ {words}")
    assert BOB in words.read_text()
    jobs.sust.run("down")
    jobs.sust.up()
    wait_for("it is not believed", lambda: (shown := jobs.show(job))["state"] == "unknown"
             and "another principal" in shown["reason"])
    as_(ALICE, "sh", "-c", f"sed -i s/{BOB}/{ALICE}/ {words}")
    jobs.sust.run("down")  # it was read once
    jobs.sust.up()
    jobs.running(job)
    jobs.sust.run("job", "cancel", job)
    assert jobs.end(job)["end"] == "cancelled"


def test_kill_9_of_the_controller_finds_whose_job_it_was(jobs, lab):
    job = jobs.submit("until test -e go; do sleep 0.05; done; id -un", f'principal = "{ALICE}"')
    jobs.running(job)
    killed = jobs.sust.pid("sustd")
    os.kill(killed, 9)
    wait_for("sustd is back", lambda: jobs.sust.run("job", "ls", check=False).returncode == 0
             and jobs.sust.pid("sustd") != killed)
    assert as_(ALICE, "touch", jobs.shared / job / "1/go").returncode == 0
    assert jobs.end(job)["end"] == "completed" and jobs.out(job).strip() == ALICE


def test_the_check_names_each_principal(jobs, lab, transport):
    told = {line["what"]: line for line in jobs.sust.json("backend", "check", "lab")["checks"]}
    assert told[f"principal {ALICE}"]["outcome"] == told[f"principal {BOB}"]["outcome"] == "good", told


def test_a_token_of_each_user_is_enough(lab, sust, tmp_path):
    """Where slurmrestd is not given SlurmUser's own: one token a user, in a directory."""
    tokens = sust.root / "config/tokens"
    tokens.mkdir(parents=True)
    (tokens / ALICE).touch(0o600)
    (tokens / ALICE).write_text(lab.rest.token(ALICE, 3600))
    shared = lab.scratch / f"jobs-{os.getpid()}-tokens"
    jobs = connect(lab, sust, tmp_path, "slurmrestd",
                   f'agent = "{lab.scratch}/sust-agent"\n{LIST}\ntoken_directory = "{tokens}"', shared)
    job = jobs.submit("id -un", f'principal = "{ALICE}"')
    assert jobs.end(job)["end"] == "completed" and jobs.out(job).strip() == ALICE
    other = jobs.submit("id -un", f'principal = "{BOB}"')
    wait_for("it is told", lambda: BOB in jobs.show(other)["reason"])
    jobs.sust.run("job", "cancel", other)
    assert jobs.end(other)["end"] == "cancelled"

"""Real image builds, from the host's mirror: the same bytes for everyone, locks, kills, use and removal."""

import json
import os
import pwd
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import Sust, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

USER = "sust-test"


def build_file(folder: Path, **more) -> Path:
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    keys = {"name": "small", "suite": release["VERSION_CODENAME"].strip('"'), "variant": "essential",
            "packages": ["busybox-static"], "check_valid_until": False} | more
    file = folder / f"{keys['name']}.toml"
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items()))
    file.chmod(0o644)
    return file


@pytest.fixture(scope="module")
def built(build):
    """A root with one small image; its tests only look, or put back what they change."""
    with tempfile.TemporaryDirectory(prefix="sust-t-") as folder:
        sust = Sust(build, Path(folder) / "r")
        sust.file = build_file(Path(folder))
        sust.made = sust.json("image", "build", sust.file, timeout=1000)
        environments = sust.root / "config/environments"
        environments.mkdir(parents=True)
        (environments / "small.toml").write_text('image = "small"\n')
        yield sust


def test_an_image_is_listed_with_a_lock_that_names_every_package(built):
    listed = built.json("image", "ls")
    assert [image["name"] for image in listed] == ["small"]
    lock = json.loads(built.run("image", "show", "small", "--lock").stdout)
    assert lock["format"] == 1
    assert {"busybox-static", "dpkg", "libc6"} <= {package["name"] for package in lock["packages"]}
    assert all(package["version"] and package["architecture"] for package in lock["packages"])
    assert lock["build_file"] == built.file.read_text()
    blob = built.root / "data/store/blobs" / lock["squashfs"]["digest"].replace(":", "/")
    assert blob.stat().st_size == lock["squashfs"]["bytes"] == listed[0]["bytes"]


def test_the_same_inputs_are_not_built_twice(built):
    done = built.run("image", "build", built.file)
    assert "already" in done.stdout and "--again" in done.stdout


def test_the_image_holds_nothing_of_this_machine(built):
    lock = json.loads(built.run("image", "show", "small", "--lock").stdout)
    blob = built.root / "data/store/blobs" / lock["squashfs"]["digest"].replace(":", "/")
    names = subprocess.run(["unsquashfs", "-lc", blob], capture_output=True, text=True, check=True).stdout.split("\n")
    for path in ("etc/resolv.conf", "etc/hostname", "dev/null", "etc/apt/preferences.d/sust-lock",
                 "etc/dpkg/dpkg.cfg.d/99mmdebstrap"):
        assert f"squashfs-root/{path}" not in names
    assert "squashfs-root/usr/bin/busybox" in names or "squashfs-root/bin/busybox" in names


def test_an_image_in_use_cannot_be_removed_and_says_by_whom(built):
    command = built.argv("run", "--environment", "small", "--", "sh", "-c", "echo ready; exec sleep 600")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=built.environment)
    try:
        assert child.stdout.readline() == "ready\n"
        done = built.run("--yes", "image", "rm", "small", check=False)
        assert done.returncode == 5
        assert "sust run --environment small" in done.stderr and str(child.pid) in done.stderr
        assert str(child.pid) in json.dumps(built.json("image", "show", "small")["used_by"])
    finally:
        child.kill()
        child.wait()
    index = (built.root / "data/store/index.json").read_bytes()
    built.run("--yes", "image", "rm", "small")  # the dead command no longer counts
    assert built.json("image", "ls") == []
    (built.root / "data/store/index.json").write_bytes(index)


def test_a_lock_builds_the_same_bytes_again(built, make_sust, short_tmp):
    lock = short_tmp / "small.lock"
    lock.write_text(built.run("image", "show", "small", "--lock").stdout)
    other = make_sust()
    made = other.json("image", "build", built.file, "--locked", lock, timeout=1000)
    assert made["digest"] == built.made["digest"]


def test_a_version_that_is_gone_is_named_with_what_is_there(built, short_tmp):
    lock = json.loads(built.run("image", "show", "small", "--lock").stdout)
    was = next(p for p in lock["packages"] if p["name"] == "busybox-static")
    there, was["version"] = was["version"], "1:0.1-gone"
    file = short_tmp / "gone.lock"
    file.write_text(json.dumps(lock))
    done = built.run("image", "build", built.file, "--locked", file, "--again", check=False, timeout=1000)
    assert done.returncode == 4, done.stderr
    assert "busybox-static 1:0.1-gone" in done.stderr and there in done.stderr
    assert built.json("image", "show", "small")["digest"] == built.made["digest"]


def test_a_package_that_does_not_exist_is_named(built, short_tmp):
    file = build_file(short_tmp, name="wrong", packages=["no-such-package-anywhere"])
    done = built.run("image", "build", file, check=False, timeout=1000)
    assert done.returncode == 2, done.stderr
    assert "no-such-package-anywhere" in done.stderr
    assert [image["name"] for image in built.json("image", "ls")] == ["small"]
    assert not list((built.root / "cache/build").iterdir())


# --- plain users, and builds that do not come to their end

@pytest.fixture(scope="module")
def plain_user():
    """Words that make root a plain user with subordinate ids; a plain user is one already."""
    if os.geteuid() != 0:
        yield pwd.getpwuid(os.geteuid()), []
        return
    subprocess.run(["useradd", "--create-home", USER], check=True)
    entry = pwd.getpwnam(USER)
    yield entry, ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups"]
    subprocess.run(["userdel", "--remove", USER], check=True, capture_output=True)


class UserSust(Sust):
    def __init__(self, program, root, entry, prefix):
        super().__init__(program.parents[1], root)
        self.prefix = prefix
        self.environment |= {"HOME": entry.pw_dir}

    def argv(self, *arguments):
        return [*self.prefix, *super().argv(*arguments)]


@pytest.fixture
def theirs(program, place, plain_user):
    entry, prefix = plain_user
    folder = Path(tempfile.mkdtemp(prefix="u-", dir=place))
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return UserSust(program, folder / "r", entry, prefix)


def test_a_plain_user_builds_the_same_bytes_as_root(built, theirs):
    if os.geteuid() != 0:
        pytest.skip("this comparison needs root; tools/check runs as root as well")
    file = build_file(theirs.root.parent)
    made = theirs.json("image", "build", file, timeout=1000)
    assert made["digest"] == built.made["digest"]
    assert not list((theirs.root / "cache/build").iterdir())


def processes_in(folder: Path):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in text and int(entry.name) != os.getpid():
            found.append(entry.name)
    return found


@pytest.fixture(params=["memory", "disk"])
def half_built(request, theirs):
    """A build that is installing packages; with a large need of disk it is not made in memory."""
    file = build_file(theirs.root.parent, disk="1GiB" if request.param == "memory" else "8GiB")
    child = subprocess.Popen(theirs.argv("image", "build", file), stderr=subprocess.PIPE, text=True,
                             env=theirs.environment)
    for line in child.stderr:
        if "installing the base system" in line:
            break
    wait_for("its processes are there", lambda: processes_in(theirs.root / "cache/build"), within=30)
    yield theirs, child, file
    child.kill()
    child.wait()


def test_an_interrupted_build_leaves_nothing(half_built):
    sust, child, _ = half_built
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=120)
    assert child.returncode == 6
    assert not list((sust.root / "cache/build").iterdir())
    assert sust.json("image", "ls") == []
    wait_for("its processes are gone", lambda: not processes_in(sust.root / "cache/build"), within=30)


def test_what_a_killed_build_left_goes_with_the_next(half_built):
    sust, child, file = half_built
    child.kill()
    child.wait(30)
    wait_for("its processes are gone", lambda: not processes_in(sust.root / "cache/build"), within=30)
    assert sust.json("image", "ls") == []
    assert len(list((sust.root / "cache/build").iterdir())) == 1
    done = sust.run("--config", "image.mirror=http://127.0.0.1:9/", "image", "build", file, check=False)
    assert done.returncode == 6
    assert not list((sust.root / "cache/build").iterdir())

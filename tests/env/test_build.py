"""sust image build: what is refused before anything starts."""

import json
import os
import subprocess
import tempfile

import pytest

pytestmark = pytest.mark.box

BUILD = 'name = "tools"\nsuite = "trixie"\npackages = ["busybox-static"]\n'


@pytest.fixture
def build_file(short_tmp):
    def make(text=BUILD):
        file = short_tmp / "image.toml"
        file.write_text(text)
        return file
    return make


def nothing_is_left(sust):
    left = [p for p in (sust.root / "cache").rglob("*") if not p.is_dir()] if (sust.root / "cache").exists() else []
    return not left and sust.json("image", "ls") == []


def test_a_mirror_that_does_not_answer_is_named_with_what_to_do(sust, build_file):
    mirror = "http://127.0.0.1:9/debian"
    done = sust.run("--config", f"image.mirror={mirror}", "image", "build", build_file(), check=False)
    assert done.returncode == 6, done.stderr
    assert mirror in done.stderr and "image.mirror=" in done.stderr
    assert nothing_is_left(sust)


def test_the_build_files_own_mirror_wins(sust, build_file):
    file = build_file(BUILD + 'mirror = "http://127.0.0.1:7/own"\n')
    done = sust.run("--config", "image.mirror=http://127.0.0.1:9/x", "image", "build", file, check=False)
    assert "127.0.0.1:7/own" in done.stderr


def test_too_little_disk_is_said_before_anything_starts(sust, build_file):
    file = build_file(BUILD + 'disk = "900TB"\nmirror = "http://127.0.0.1:9/"\n')
    done = sust.run("image", "build", file, check=False)
    assert done.returncode == 8, done.stderr
    assert "free" in done.stderr and "127.0.0.1" not in done.stderr
    assert nothing_is_left(sust)


@pytest.mark.parametrize("line, said", [
    ('package = ["x"]', "packages"),
    ('packages = ["a b"]', "a b"),
    ('variant = "huge"', "minbase"),
    ('components = "main"', "components"),
])
def test_a_mistake_in_a_build_file_is_shown_where_it_is(sust, build_file, line, said):
    done = sust.run("image", "build", build_file(f'name = "tools"\n#\n{line}\nsuite = "trixie"\n'), check=False)
    assert done.returncode == 2
    assert "image.toml:3" in done.stderr
    assert said in done.stderr


def test_a_build_file_that_is_not_there_is_named(sust):
    done = sust.run("image", "build", "/no/such.toml", check=False)
    assert done.returncode == 4
    assert "/no/such.toml" in done.stderr


def test_what_is_no_lock_is_refused(sust, build_file, short_tmp):
    lock = short_tmp / "lock.json"
    lock.write_text(json.dumps({"format": 2}))
    done = sust.run("image", "build", build_file(), "--locked", lock, check=False)
    assert done.returncode == 2
    assert "lock" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without subordinate ids")
def test_a_user_without_subordinate_ids_is_told_how_to_get_them(sust, build_file, program, place):
    folder = tempfile.mkdtemp(prefix="b-", dir=place)
    os.chmod(folder, 0o777)
    file = build_file()
    os.chmod(file.parent, 0o755)
    done = subprocess.run(["setpriv", "--reuid", "21234", "--regid", "21234", "--clear-groups", program, "--root",
                           f"{folder}/r", "image", "build", file], capture_output=True, text=True, timeout=60,
                          env=sust.environment, check=False)
    assert done.returncode == 3, done.stderr
    assert "--add-subuids" in done.stderr and "uidmap" in done.stderr


def test_images_that_are_not_there_are_not_found(sust):
    assert sust.json("image", "ls") == []
    for verb in ("show", "rm"):
        done = sust.run("--yes", "image", verb, "nonesuch", check=False)
        assert done.returncode == 4
        assert "nonesuch" in done.stderr

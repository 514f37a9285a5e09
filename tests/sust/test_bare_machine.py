"""sust and sust-agent start where Debian has nothing but its base system, or nothing at all."""

import os
import shutil
import subprocess

import pytest
from labs.debian import bare_root

pytestmark = [pytest.mark.box, pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap and chroot need root")]


@pytest.fixture
def bare(tmp_path):
    """A copy: what is kept stays as it was made."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", "--reflink=auto", bare_root(), root], check=True)
    return root


@pytest.mark.parametrize("program, words, expected", [
    ("sust", ["--version"], "sust 0."),
    ("sust", ["--help"], "usage: sust"),
    ("sust-agent", ["--version"], "sust-agent 0."),
])
def test_the_program_starts_in_a_bare_debian(build, bare, program, words, expected):
    inside = bare / program
    shutil.copy2(build / "bin" / program, inside)
    done = subprocess.run(["/usr/sbin/chroot", bare, f"/{program}", *words], capture_output=True, text=True, env={})
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_the_agent_starts_in_an_empty_directory(build, tmp_path):
    shutil.copy2(build / "bin/sust-agent", tmp_path / "agent")
    done = subprocess.run(["/usr/sbin/chroot", tmp_path, "/agent", "--version"], capture_output=True, text=True, env={})
    assert done.returncode == 0 and done.stdout.startswith("sust-agent"), done.stderr


def test_sust_links_nothing_but_glibc(build):
    linked = subprocess.run(["ldd", build / "bin/sust"], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0].split("/")[-1].split(".so")[0] for line in linked.splitlines()}
    assert names <= {"linux-vdso", "libc", "libm", "libdl", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64"}

"""sust and sust-agent start where Debian has nothing but its base system, or nothing at all."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.box, pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap and chroot need root")]


@pytest.fixture(scope="module")
def bare_root():
    """A Debian 12 with the packages of Priority: required, kept in the cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sust"
    root = home / "bare-bookworm"
    if not root.exists():
        home.mkdir(parents=True, exist_ok=True)
        building = home / f"bare-bookworm.{os.getpid()}"
        mirror = subprocess.run(["sed", "-n", r"s/^URIs: *\([^ ]*\).*/\1/p;s/^deb [^h]*\(http[^ ]*\).*/\1/p",
                                 *map(str, debian_sources())], capture_output=True, text=True).stdout.split()[0]
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", building, mirror], check=True,
                       capture_output=True, timeout=900)
        building.rename(root)
    return root


def debian_sources():
    listed = [Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")]
    return [file for file in listed if file.exists()]


@pytest.mark.parametrize("program, words, expected", [
    ("sust", ["--version"], "sust 0."),
    ("sust", ["--help"], "usage: sust"),
    ("sust-agent", ["--version"], "sust-agent 0."),
])
def test_the_program_starts_in_a_bare_debian(build, bare_root, program, words, expected):
    inside = bare_root / program
    shutil.copy2(build / "bin" / program, inside)
    done = subprocess.run(["/usr/sbin/chroot", bare_root, f"/{program}", *words], capture_output=True, text=True, env={})
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

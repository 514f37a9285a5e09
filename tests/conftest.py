"""What every black-box test uses: the programs under test, each test's own root, waiting."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure(config):
    config.addinivalue_line("markers", "box: real binaries on this machine")
    config.addinivalue_line("markers", "lab: real engine, trainer, Slurm or Kubernetes")
    config.addinivalue_line("markers", "soak: hours")
    # What a shell starts in the background ignores Ctrl-C, and so would every program under test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for(what, look, within=60.0):
    """Calls `look` until it returns something true; a failure says what was waited for."""
    end = time.monotonic() + within
    pause = 0.02
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            pytest.fail(f"not within {within} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


class Sust:
    """The command line against one root. Everything it started ends with close()."""

    def __init__(self, build: Path, root: Path):
        self.build = build
        self.root = root
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(root), "LANG": "C.UTF-8"}
        self.settings = ["--config", "gateway.listen=127.0.0.1:0"]

    def argv(self, *arguments):
        return [str(self.build / "bin/sust"), "--root", str(self.root), *map(str, arguments)]

    def run(self, *arguments, check=True, timeout=120, **options):
        """Runs to the end; with check, a failure shows what was printed."""
        options.setdefault("env", self.environment)
        done = subprocess.run(self.argv(*arguments), capture_output=True, text=True, timeout=timeout, **options)
        if check and done.returncode != 0:
            pytest.fail(f"sust {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *arguments, **options):
        return json.loads(self.run("--json", *arguments, **options).stdout)

    def up(self):
        self.run("up", *self.settings)
        return self.endpoint()

    def endpoint(self):
        published = json.loads((self.root / "run/gateway.json").read_text())
        return f"http://{published['address']}:{published['port']}"

    def pid(self, program):
        """The process of supervisor, sustd or gateway, as its identity file says."""
        return json.loads((self.root / f"run/{program}.pid.json").read_text())["pid"]

    def close(self):
        if (self.root / "data").exists():
            self.run("down", check=False)


@pytest.fixture(scope="session")
def build() -> Path:
    folder = Path(os.environ.get("SUST_BUILD", REPOSITORY / "build/release")).resolve()
    assert (folder / "bin/sust").exists(), f"no programs in {folder}; run tools/build"
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def short_tmp():
    """A directory with a short path, for what holds Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="sust-t-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_sust(build, short_tmp):
    """make_sust(): a command line with a root of its own; make_sust(path) for a chosen one."""
    made = []

    def make(root=None):
        sust = Sust(build, Path(root) if root else short_tmp / f"r{len(made)}")
        made.append(sust)
        return sust

    yield make
    for sust in made:
        sust.close()


@pytest.fixture
def sust(make_sust):
    return make_sust()


@pytest.fixture(scope="session")
def lab_images(build):
    """A root whose store holds the two shipped images, built once and kept in the cache."""
    from labs.images import ensure_images
    return ensure_images(build, REPOSITORY)


@pytest.fixture(scope="module", params=["", pytest.param("trixie", marks=pytest.mark.soak)],
                ids=["this-slurm", "trixie-slurm"])
def make_slurm(request):
    """make_slurm(nodes=2, rest=True): a real Slurm with those Options, which ends with the module.

    All that use it run once more with the Slurm of another Debian, as a soak test.
    """
    from labs.slurm import Options, SlurmLab, why_impossible
    reason = why_impossible()
    if reason:
        pytest.skip(reason)
    with contextlib.ExitStack() as labs:
        yield lambda **options: labs.enter_context(SlurmLab(Options(**{"release": request.param, **options})))


@pytest.fixture(scope="module")
def slurm(make_slurm):
    """A real Slurm of four nodes with two GPUs each."""
    return make_slurm()


@pytest.fixture
def sust_with_images(sust, lab_images):
    """A fresh root that has the engine's and the trainer's image."""
    from labs.images import lend_images
    lend_images(lab_images, sust.root)
    return sust


@pytest.fixture
def sust_with_base(sust_with_images):
    """... that is up and has the tiny base model."""
    sust = sust_with_images
    sust.up()
    sust.run("model", "import", REPOSITORY / "models/tiny", "--name", "tiny")
    return sust

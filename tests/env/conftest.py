"""A small image of busybox, and the two people who run things in it: root and a plain user."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PLAIN_UID = 21234  # nobody's: an id needs no account to run something

# What a badly meant image may hold: links that lead out where we are going to mount.
LINKS = {"lib": "usr/lib", "lib64": "usr/lib64", "sbin": "bin", "z-escape": "../../../../../../{outside}",
         "z-absolute": "{outside}", "loop": "loop"}
TREE = ["bin", "usr", "etc", "dev", "proc", "sys", "tmp", "run", "data", "root"]


def make_tree(folder: Path, outside: Path) -> Path:
    for name in TREE:
        (folder / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "bin/busybox")
    for applet in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (folder / "bin" / applet).symlink_to("busybox")
    for name, target in LINKS.items():
        (folder / name).symlink_to(target.format(outside=outside))
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\n")
    (folder / "data/hello").write_text("from the image\n")
    (folder / "bin/not-executable").write_text("#!/bin/sh\n")
    (folder / "bin/no-interpreter").write_text("#!/no/such/shell\n")
    (folder / "bin/no-interpreter").chmod(0o755)
    return folder


def pack(tree: Path, image: Path) -> Path:
    subprocess.run(["mksquashfs", tree, image, "-comp", "zstd", "-quiet", "-no-progress", "-all-root", "-noappend"],
                   check=True, stdout=subprocess.DEVNULL)
    return image


@pytest.fixture(scope="session")
def place():
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="sust-env-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def program(build, place) -> Path:
    """The program where a plain user can reach it, wherever the clone lies."""
    (place / "bin").mkdir()
    return Path(shutil.copy(build / "bin/sust", place / "bin/sust"))


@pytest.fixture(scope="session")
def outside(place) -> Path:
    """A directory of the host that nothing may touch unasked."""
    folder = place / "outside"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="session")
def tree(place, outside) -> Path:
    return make_tree(place / "tree", outside)


@pytest.fixture(scope="session")
def image(place, tree) -> Path:
    return pack(tree, place / "busybox.sqsh")


@pytest.fixture(scope="session")
def hostile_image(place, outside) -> Path:
    """Every directory that we mount on or write into is a link to somewhere else."""
    bad = place / "hostile"
    bad.mkdir()
    for name in ("etc", "tmp", "run", "dev"):
        (bad / name).symlink_to(outside)
    (bad / "proc").symlink_to("/sys")
    (bad / "sys").symlink_to("..")
    return pack(bad, place / "hostile.sqsh")


class Person:
    """Runs commands in environments, with a root directory of its own."""

    def __init__(self, program: Path, image: Path, folder: Path, uid: int):
        self.program, self.image, self.folder, self.uid = program, image, folder, uid
        self.root = folder / "root"
        self.home = folder / "home"
        self.environments = self.root / "config/environments"
        self.environments.mkdir(parents=True)
        self.home.mkdir()
        self.write("box", f'image = "{image}"\n')
        self.own()
        self.variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"}

    def own(self):
        if os.geteuid() == 0:
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def write(self, name: str, text: str):
        (self.environments / f"{name}.toml").write_text(text)

    def prefix(self):
        if os.geteuid() == self.uid:
            return []
        number = str(self.uid)
        return ["setpriv", "--reuid", number, "--regid", number, "--clear-groups"]

    def argv(self, *command, environment="box", options=()):
        return [*self.prefix(), str(self.program), "--root", str(self.root), "run", "--environment", environment,
                *map(str, options), "--", *map(str, command)]

    def run(self, *command, environment="box", options=(), timeout=60, **more):
        more.setdefault("cwd", "/")
        more.setdefault("env", self.variables)
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.argv(*command, environment=environment, options=options), capture_output=True,
                              text=True, timeout=timeout, **more)

    def shell(self, script: str, **more):
        return self.run("sh", "-c", script, **more)

    def out(self, script: str, **more) -> str:
        done = self.shell(script, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *command, environment="box", options=(), **more):
        return subprocess.Popen(self.argv(*command, environment=environment, options=options), cwd="/",
                                env=self.variables, stdin=subprocess.DEVNULL, **more)


@pytest.fixture
def make_person(program, image, place):
    made = []

    def make(uid, folder=None):
        if uid != os.geteuid() and os.geteuid() != 0:
            pytest.skip("only root can be someone else; tools/check runs as root as well")
        folder = Path(folder or tempfile.mkdtemp(prefix="p-", dir=place))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        made.append(folder)
        return Person(program, image, folder, uid)

    yield make
    for folder in made:
        subprocess.run(["chmod", "-R", "u+rwX", folder], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["root", "user"])
def person(request, make_person):
    plain = os.geteuid() or PLAIN_UID
    return make_person(0 if request.param == "root" else plain)


@pytest.fixture
def root(make_person):
    return make_person(0)


@pytest.fixture
def user(make_person):
    return make_person(os.geteuid() or PLAIN_UID)

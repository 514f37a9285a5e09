"""The programs of Kubernetes: built once from Debian's source, kept compressed in the cache.

Debian ships kubectl but not the daemons. Two things in the source need help before Go 1.19 builds
daemons that live: the OpenAPI definitions are not in the archive, and the vendored reflect2 walks
maps in a way that kills the API server at the first custom resource.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from labs.debian import CACHE
from labs.kubernetes import source

FOLDER = CACHE / "lab-kubernetes"
DAEMONS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
REFLECT2 = Path("/usr/share/gocode/src/github.com/modern-go/reflect2")
OWN = "k8s.io/kubernetes"
# Cloud providers and Docker's shim are a quarter of the code; DWARF is never read.
TAGS = "providerless,dockerless"
COMPILER = "all=-dwarf=false"
VERSIONS = {"component-base/version": {"gitVersion": f"v{source.VERSION}", "gitMajor": "1", "gitMinor": "20"},
            "client-go/pkg/version": {"gitVersion": f"v{source.VERSION}"}}
# The first process of a node's process namespace, and the only one of a pod's sandbox.
PAUSE = """
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void leave(int signal) { (void)signal; _exit(0); }
int main(void)
{
    signal(SIGTERM, leave);
    signal(SIGINT, leave);
    for (;;) {
        /* Orphans become children of process 1: they are reaped, and with none left it sleeps. */
        if (waitpid(-1, NULL, 0) < 0)
            usleep(100000);
    }
}
"""


def linker() -> str:
    sets = [f"-X {OWN}/vendor/k8s.io/{package}.{name}={value}"
            for package, names in VERSIONS.items() for name, value in names.items()]
    return " ".join(["-s -w", *sets])


def key() -> str:
    """Source, compiler and recipe: another of them is another build."""
    go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    parts = [source.SHA256, go, TAGS, COMPILER, linker(), PAUSE, *DAEMONS]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def ensure_programs() -> Path:
    """The folder with the four daemons and `pause`; minutes the first time, nothing afterwards."""
    place = FOLDER / key()
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:  # parallel test workers build once
        fcntl.flock(lock, fcntl.LOCK_EX)
        archive = place / "programs.tar.gz"
        if not archive.exists():
            build(place)
        if not (place / "bin").exists():
            unpack(archive, place)
    return place / "bin"


def unpack(archive: Path, place: Path):
    fresh = place / "bin.new"
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(fresh)
    fresh.rename(place / "bin")


def build(place: Path):
    """Leaves programs.tar.gz in `place`; the tree and the compiler's cache go away, they are gigabytes."""
    work = place / "build"
    shutil.rmtree(work, ignore_errors=True)
    (work / "bin").mkdir(parents=True)
    with tarfile.open(source.fetch(work)) as packed:
        packed.extractall(work)
    tree = prepare(work, work / f"{source.PACKAGE}-{source.VERSION}")
    generate_openapi(work, tree)
    go(work, tree, "-tags", TAGS, "-ldflags", linker(), *(f"./cmd/{name}" for name in DAEMONS))
    subprocess.run(["gcc", "-static", "-Os", "-s", "-x", "c", "-", "-o", work / "bin/pause"],
                   input=PAUSE, text=True, check=True)
    with tarfile.open(place / "programs.new", "w:gz", compresslevel=6) as packed:
        for name in (*DAEMONS, "pause"):
            packed.add(work / "bin" / name, name)
    (place / "programs.new").rename(place / "programs.tar.gz")
    shutil.rmtree(work)


def prepare(work: Path, tree: Path) -> Path:
    """The tree at its place in a GOPATH, with Debian's reflect2 instead of the vendored one."""
    vendored = tree / "vendor/github.com/modern-go/reflect2"
    shutil.rmtree(vendored)
    shutil.copytree(REFLECT2, vendored, ignore=shutil.ignore_patterns("*_test.go", "go.mod"))
    path = work / "gopath/src" / OWN
    path.parent.mkdir(parents=True)
    path.symlink_to(tree)
    return path


def run(work: Path, tree: Path, *argv):
    """A command in the tree, which Go finds through GOPATH and not through the machine's settings."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(work), "GOPATH": f"{work}/gopath", "GO111MODULE": "off",
                   "GOCACHE": f"{work}/gocache", "GOFLAGS": "", "CGO_ENABLED": "0", "PWD": str(tree)}
    done = subprocess.run(argv, cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{argv[:3]} failed in {tree}\n{done.stderr[-4000:]}"


def go(work: Path, tree: Path, *words):
    run(work, tree, "go", "build", "-gcflags", COMPILER, "-o", f"{work}/bin/", *words)


def wants_openapi(tree: Path):
    """Packages that ask for OpenAPI definitions, as import paths; the API server serves them all."""
    asks = re.compile(rb"^// *\+k8s:openapi-gen=", re.M)
    staged = [folder for folder in sorted((tree / "vendor/k8s.io").iterdir())
              if not folder.name.startswith(("sample-", "code-generator"))]
    found = set()
    for top in (tree / "pkg", *staged):
        for file in top.resolve().rglob("*.go"):
            if not file.name.endswith("_test.go") and asks.search(file.read_bytes()):
                found.add(f"{OWN}/{(top / file.parent.relative_to(top.resolve())).relative_to(tree)}")
    return sorted(found)


def generate_openapi(work: Path, tree: Path):
    """Only this generator is run: what the others write is in the archive, and each costs minutes."""
    go(work, tree, "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
    run(work, tree, work / "bin/openapi-gen", "--logtostderr", "-i", ",".join(wants_openapi(tree)),
        "-p", f"{OWN}/pkg/generated/openapi", "-O", "zz_generated.openapi",
        "-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt", "-r", work / "report")

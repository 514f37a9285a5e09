"""Debian's source archive of Kubernetes, fetched with apt and without a change to /etc."""

import hashlib
import subprocess
from pathlib import Path

PACKAGE = "kubernetes"
VERSION = "1.20.2"
SHA256 = "b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def source_list(release="") -> str:
    """The machine's own Debian archives as deb-src lines: whatever mirror apt uses is asked for sources too.

    With a release, that release of the archive that has the machine's own."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                             "Created-By: Packages", "Origin: Debian"], capture_output=True, text=True).stdout
    archives = [line.split() for line in listed.splitlines()]
    if release:  # "bookworm" has no suffix, unlike "bookworm-security", whose archive may be another
        archives = [(uri, release, part) for uri, name, part in archives if "-" not in name]
    lines = sorted({f"deb-src [signed-by={KEYRING}] {' '.join(words)}\n" for words in archives})
    assert lines, "apt knows no Debian archive; run apt-get update"
    return "".join(lines)


def apt(folder: Path, *words):
    """apt-get with its own lists and sources, so that neither the machine's nor its lock is touched."""
    options = [f"Dir::Etc::sourcelist={folder}/sources.list", "Dir::Etc::sourceparts=-",
               f"Dir::State::lists={folder}/lists", f"Dir::Cache={folder}/cache",
               "Acquire::Languages=none", "Acquire::Retries=3", "APT::Sandbox::User="]
    argv = ["apt-get", "-q", *(word for option in options for word in ("-o", option)), *words]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"apt-get {' '.join(words)}\n{done.stdout}{done.stderr}"


def fetch(folder: Path, version=VERSION, sum256=SHA256, release="") -> Path:
    """The archive in `folder`, its bytes checked against the sum that was written for that version."""
    for name in ("lists/partial", "cache"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(source_list(release))
    apt(folder, "update")
    apt(folder, "source", "--download-only", PACKAGE)
    archive = next(folder.glob(f"{PACKAGE}_*.orig.tar.gz"))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert found == sum256, f"{archive.name} has sha256 {found}; {version} has {sum256}"
    return archive

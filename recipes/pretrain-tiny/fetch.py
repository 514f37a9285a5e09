"""Fetch WordNet's package with the apt of the trainer environment, from the image's own mirror."""

import subprocess
from pathlib import Path

from kit import files
from kit.faults import InvalidInput

PACKAGE = "wordnet-base"
TIMEOUT_SECONDS = 600


def fetch(work: Path) -> Path:
    """The package's file below `work`; one that is there already is used again."""
    folder = work / "fetch"
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.deb")):
        options = _options(folder)
        _apt(["update", *options], folder)
        _apt(["download", *options, PACKAGE], folder)
    [package] = folder.glob("*.deb")
    return package


def unpack(package: Path) -> Path:
    """The package's files, below a folder beside it."""
    content = package.parent / "content"
    files.remove(content)
    _checked(["dpkg-deb", "-x", str(package), str(content)], package.parent)
    return content


def source(package: Path) -> dict:
    """What was fetched, for the model's record: name, version and digest."""
    version = _checked(["dpkg-deb", "-f", str(package), "Version"], package.parent).strip()
    return {"package": PACKAGE, "version": version, "sha256": files.sha256(package)}


def origin(package: Path) -> dict:
    """The same for the lineage, with the package's purl (https://github.com/package-url/purl-spec)."""
    fetched = source(package)
    return {"name": PACKAGE, "uri": f"pkg:deb/debian/{PACKAGE}@{fetched['version']}", "sha256": fetched["sha256"]}


def _options(folder):
    """apt writes below `folder` only: the environment's root is read-only or thrown away."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",  # a user namespace has no other user
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 30,
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _apt(arguments, folder):
    try:
        _checked(["apt-get", "-q", *arguments], folder)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        raise InvalidInput(
            f"can't fetch the package {PACKAGE}: {said}\n"
            "This recipe needs the Debian mirror that the trainer image was built from: connect to "
            "the network, or build the image again with a `mirror` that can be reached") from error


def _checked(command, folder) -> str:
    return subprocess.run(command, cwd=folder, check=True, text=True, capture_output=True,
                          timeout=TIMEOUT_SECONDS).stdout

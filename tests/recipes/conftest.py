"""Where the recipes are, and how a test reaches the trainer environment."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
for folder in ("recipes/common", "examples/tickets"):
    sys.path.insert(0, str(REPOSITORY / folder))

# These need PyTorch; test_trainer.py runs them where it is.
collect_ignore = ["in_trainer"]

@pytest.fixture
def repository() -> Path:
    """The checkout that is tested."""
    return REPOSITORY


@pytest.fixture
def trainer_run(build, lab_images):
    """run(source, destination, command): `command` in the trainer, `source` mounted read-only."""
    prefix = [build / "bin/sust", "--root", lab_images, "run", "--environment", "trainer"]
    return lambda source, destination, command: subprocess.run(
        [*prefix, "--mount", f"{source}:{destination}:ro", "--", *command])

"""The shipped image and environment files."""

import tomllib

import pytest

from conftest import REPOSITORY

IMAGE_KEYS = {"name", "summary", "suite", "components", "packages", "mirror",
              "check_valid_until", "variant"}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "images").glob("*.toml")),
                         ids=lambda path: path.stem)
def test_an_image_file_is_called_like_its_image_and_pins_no_machine(path):
    image = tomllib.loads(path.read_text())
    assert image["name"] == path.stem and set(image) <= IMAGE_KEYS
    assert "mirror" not in image, "the host's own Debian mirror is used"


def test_the_trainer_keeps_thread_pools_from_fighting():
    trainer = tomllib.loads((REPOSITORY / "environments/trainer.toml").read_text())
    assert trainer["env"] == {"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_NUM_THREADS": "1"}
    packages = tomllib.loads((REPOSITORY / "images/trainer.toml").read_text())["packages"]
    assert "libopenblas0-pthread" in packages and "libopenblas0-openmp" not in packages

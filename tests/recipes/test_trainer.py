"""The tests that need PyTorch, run inside the trainer environment."""

import pytest

INSIDE = "/sust/repository"
pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def test_programs_pass_their_tests_inside_the_trainer(trainer_run, repository):
    tests = f"{INSIDE}/tests/recipes/in_trainer"
    command = ["env", "PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={INSIDE}/recipes/common",
               "python3", "-m", "unittest", "discover", "--durations", "10",
               "-v", "-s", tests, "-t", tests]
    assert trainer_run(repository, INSIDE, command).returncode == 0

"""The conformance suite on a real Slurm, through its commands."""

import pytest

from cluster.conformance import *  # noqa: F403 - the cases
from cluster.sites import SlurmSite
from labs.slurm import IMPATIENT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(make_slurm):
    return SlurmSite(make_slurm(nodes=3, settings=IMPATIENT))

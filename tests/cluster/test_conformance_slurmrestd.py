"""The conformance suite on a real Slurm, through slurmrestd and tokens."""

import pytest

from cluster.conformance import *  # noqa: F403 - the cases
from cluster.sites import SlurmSite
from cluster.slurm_sites import OLDEST
from labs.slurm import IMPATIENT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(make_slurm):
    site = SlurmSite(make_slurm(nodes=3, rest=True, settings=IMPATIENT), transport="slurmrestd")
    if site.lab.rest.version == OLDEST:
        site.declared = site.declared | {"exclude": "the REST version of Slurm 22.05 has no excluded nodes"}
    return site

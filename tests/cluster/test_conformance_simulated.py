"""The conformance suite on a simulated site whose commands are really run."""

import pytest

from cluster.conformance import *  # noqa: F403 - the cases
from cluster.site import Site
from cluster.sites import SimulatedSite

pytestmark = [pytest.mark.box, pytest.mark.timeout(900)]

FOUR = """
[nodes.n]
names = "n[1-4]"
cores = 16
memory = "16GiB"
"""


@pytest.fixture
def site(build, short_tmp):
    simulated = Site(build, short_tmp / "site", FOUR).start()
    yield SimulatedSite(simulated)
    simulated.close()

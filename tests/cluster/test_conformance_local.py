"""The conformance suite on this machine."""

import pytest

from cluster.conformance import *  # noqa: F403 - the cases
from cluster.principals import within_reach
from cluster.sites import LocalSite

pytestmark = [pytest.mark.box, pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def build(build):
    with within_reach(build) as folder:
        yield folder


@pytest.fixture
def site():
    return LocalSite()

"""The conformance suite on this machine."""

import pytest

from cluster.conformance import *  # noqa: F403 - the cases
from cluster.sites import LocalSite

pytestmark = [pytest.mark.box, pytest.mark.timeout(900)]


@pytest.fixture
def site():
    return LocalSite()

"""The conformance suite on a real Kubernetes."""

import pytest

from cluster.conformance import *  # noqa: F403 - the cases
from cluster.kubernetes_site import load_agent
from cluster.sites import KubernetesSite

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(kubernetes, build, tmp_path_factory):
    load_agent(kubernetes, build, tmp_path_factory.mktemp("agent"))
    return KubernetesSite(kubernetes)

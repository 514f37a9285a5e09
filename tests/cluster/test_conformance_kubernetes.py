"""The conformance suite on a real Kubernetes."""

import shutil

import pytest

from cluster.conformance import *  # noqa: F403 - the cases
from cluster.sites import KubernetesSite
from labs.kubernetes.images import BUSYBOX
from labs.kubernetes.oci import write_archive

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
AGENT = "lab.local/sust-agent:1"


@pytest.fixture(scope="module")
def site(kubernetes, build, tmp_path_factory):
    """Nodes that have the agent's image: a folder with that one static file."""
    root = tmp_path_factory.mktemp("agent") / "root"
    root.mkdir()
    shutil.copy2(build / "bin/sust-agent", root / "sust-agent")
    kubernetes.load_images([write_archive(root.parent / "agent.tar", AGENT, root, ["/sust-agent"])])
    return KubernetesSite(kubernetes, AGENT, BUSYBOX)

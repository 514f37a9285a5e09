"""Clusters of the tests here: one a file, because a start takes seconds."""

import os

import pytest


@pytest.fixture(scope="session")
def as_root():
    """For what makes network and process namespaces that are real machines to each other."""
    if os.geteuid() != 0:
        pytest.skip("real nodes need root")


@pytest.fixture(scope="module")
def kubernetes(as_root):
    """Two real nodes. A test that hurts one leaves it Ready again."""
    from labs.kubernetes.lab import KubernetesLab
    with KubernetesLab(nodes=2) as lab:
        yield lab


@pytest.fixture(scope="module")
def kubernetes_api():
    """An API server, controllers and scheduler without nodes: seconds to start, for watches and scale."""
    from labs.kubernetes.lab import KubernetesLab
    with KubernetesLab() as lab:
        yield lab

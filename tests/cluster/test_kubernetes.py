"""Jobs on a real Kubernetes: what they become, and what neither it nor its failures may do to them."""

import json
import os
import shutil
import signal
import time

import pytest

from cluster.jobs import Jobs
from conftest import REPOSITORY, wait_for
from labs.kubernetes.images import BUSYBOX
from labs.kubernetes.oci import write_archive

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
AGENT = "lab.local/sust-agent:1"
PODS = "/api/v1/namespaces/{}/pods"


@pytest.fixture(scope="module")
def lab(kubernetes, build, tmp_path_factory):
    """Nodes that have the agent's image: a folder with that one static file."""
    root = tmp_path_factory.mktemp("agent") / "root"
    root.mkdir()
    shutil.copy2(build / "bin/sust-agent", root / "sust-agent")
    kubernetes.load_images([write_archive(root.parent / "agent.tar", AGENT, root, ["/sust-agent"])])
    return kubernetes


class Site:
    """sustd with one Kubernetes back end."""

    def __init__(self, lab, sust, folder, config, text="", namespace="default"):
        self.lab, self.sust, self.namespace = lab, sust, namespace
        (sust.root / "config").mkdir(parents=True)
        (sust.root / "config/backends.toml").write_text(
            f'[backend.lab]\ntype = "kubernetes"\nkubeconfig = "{config}"\nagent_image = "{AGENT}"\n'
            f'image = "{BUSYBOX}"\nhost_network = true\npatience = "5s"\nstart_patience = "20s"\n'
            f'node_patience = "3s"\n{text}\n')
        sust.up()
        self.jobs = Jobs(sust, folder, "lab")

    def pods(self, job):
        found = self.lab.api.get(PODS.format(self.namespace), labelSelector=f"sust/job={job}")["items"]
        return sorted(found, key=lambda pod: pod["metadata"]["name"])

    def pod(self, job):
        return wait_for(f"a pod of {job}", lambda: self.pods(job))[0]

    def said(self, job, text):
        return wait_for(f"'{text}' of {job}", lambda: text in self.jobs.out(job))

    def gone(self, job):
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        wait_for(f"nothing is left of {job}", lambda: not self.pods(job) and not self.lab.api.get(
            path, labelSelector=f"sust/job={job}")["items"])


@pytest.fixture
def site(lab, sust, tmp_path):
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin"))
    wait_for("the nodes are seen", lambda: sust.run("node", "ls", "--backend", "lab", check=False).returncode == 0)
    return site


@pytest.fixture
def jobs(site):
    return site.jobs


def test_a_job_runs_in_a_pod_and_ends_with_the_status_of_its_command(site, jobs):
    made = {status: jobs.submit(f"echo on $SUST_NODE_NAME; exit {status}") for status in (0, 7, 255)}
    pod = site.pod(made[7])
    labels = pod["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "sust" and labels["sust/epoch"] == "1"
    assert made[7] in pod["metadata"]["name"] and pod["spec"]["restartPolicy"] == "Never"
    for status, job in made.items():
        shown = jobs.end(job)
        assert shown["end"] == ("failed" if status else "completed") and shown["exit_status"] == status, shown
        assert jobs.out(job).startswith("on k") and shown["attempts"][0]["nodes"][0] in ("k1", "k2")
        site.gone(job)
        assert jobs.out(job).startswith("on k")

"""sustd with one Kubernetes back end, as the tests of that back end use it."""

import shutil

from cluster.jobs import Jobs
from conftest import wait_for
from labs.kubernetes.images import BUSYBOX
from labs.kubernetes.oci import write_archive

AGENT = "lab.local/sust-agent:1"
PODS = "/api/v1/namespaces/{}/pods"


def load_agent(lab, build, folder):
    """Nodes that have the agent's image: a folder with that one static file."""
    root = folder / "root"
    root.mkdir()
    shutil.copy2(build / "bin/sust-agent", root / "sust-agent")
    lab.load_images([write_archive(folder / "agent.tar", AGENT, root, ["/sust-agent"])])


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

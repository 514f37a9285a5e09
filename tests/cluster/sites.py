"""What the conformance suite needs of a back end besides `sust`: its configuration, and its failures on demand."""

import contextlib
import json
import os
import signal

from cluster import slurm_sites
from cluster.kubernetes_site import AGENT
from cluster.principals import ALICE, BOB, can_be_others, listed
from conftest import wait_for
from labs.kubernetes.images import BUSYBOX


class BackEnd:
    """One back end. What it cannot do it declares, with the reason, and the suite checks the declaration."""

    name = ""
    # Case -> why it is none here. A key that is a capability is also refused by `sust job submit`.
    declared: dict[str, str] = {}
    statuses = (0, 1, 42, 126, 255)
    many = 100
    principals = ()  # two users whose jobs it runs
    files = ""  # of a job that reads or leaves files

    def configure(self, root):
        """Lines of backends.toml for this installation; none for this machine."""

    def ready(self, sust):
        """Waits until the back end has been looked at."""
        wait_for(f"{self.name} was looked at",
                 lambda: sust.run("node", "ls", "--backend", self.name, check=False).returncode == 0)

    def attempt(self, job, epoch=1):
        """The attempt's directory as this machine sees it, where there is one."""
        return None

    @contextlib.contextmanager
    def busy(self):
        """No node takes a further job."""
        raise NotImplementedError

    @contextlib.contextmanager
    def away(self):
        """The scheduler (controller, API server) does not run."""
        raise NotImplementedError

    @contextlib.contextmanager
    def silent(self):
        """The scheduler's process is there and answers nobody."""
        raise NotImplementedError

    @contextlib.contextmanager
    def lost(self, shown):
        """The node of a running job is lost with everything on it; it is back afterwards."""
        raise NotImplementedError

    @contextlib.contextmanager
    def thought_lost(self, shown):
        """What runs of the job stands still until the back end has given it up; it goes on afterwards."""
        raise NotImplementedError

    def cancel_natively(self, job, shown):
        """Somebody ends the job by the scheduler's own means."""
        raise NotImplementedError


class LocalSite(BackEnd):
    name = "local"
    declared = {"away": "there is no scheduler between sustd and its jobs",
                "several_nodes": "this machine is one node",
                "exclude": "this machine is one node",
                "native_cancel": "there is no scheduler between sustd and its jobs",
                "two_alive": "a wrapper of this machine is seen for as long as it lives, so none is thought lost",
                "carrier": "a process of this machine is seen without its files"}
    statuses = tuple(range(256))
    many = 1000

    def __init__(self):
        self.sust = None
        if can_be_others():
            self.principals = (ALICE, BOB)
        else:
            self.declared = self.declared | {"principals": "only root runs jobs as others"}

    def configure(self, root):
        return listed(root) if self.principals else None

    def ready(self, sust):
        self.sust = sust

    def attempt(self, job, epoch=1):
        # Where it is, to a user who may not enter the data directory.
        return (self.sust.root / "data/jobs").resolve() / job / str(epoch)

    @contextlib.contextmanager
    def busy(self):
        node = self.sust.json("node", "ls", "--backend", "local")[0]["name"]
        self.sust.run("node", "hold", node, "--reason", "busy with other work", "--backend", "local")
        try:
            yield
        finally:
            self.sust.run("node", "release", node, "--backend", "local")

    @contextlib.contextmanager
    def lost(self, shown):
        """The machine cannot go without us: the wrapper goes, and with it everything of the attempt."""
        job, epoch = shown["id"], shown["epoch"]
        wrapper = json.loads((self.attempt(job, epoch) / "attempt.json").read_text())["wrapper"]["pid"]
        os.kill(wrapper, signal.SIGKILL)
        yield


class SlurmSite(BackEnd):
    name = "lab"
    declared = {"principals": "a site lists them; test_slurm_principals.py has one that does"}

    def __init__(self, lab, transport="commands"):
        self.lab, self.transport = lab, transport
        self.shared = None

    def configure(self, root):
        self.shared = root / "shared"
        self.shared.mkdir(parents=True, exist_ok=True)
        return slurm_sites.site(self.lab, self.shared, root / "config/slurm.token", self.transport)

    def ready(self, sust):
        self.lab.wait_until_up()
        super().ready(sust)

    def attempt(self, job, epoch=1):
        return self.shared / job / str(epoch)

    @contextlib.contextmanager
    def busy(self):
        for node in self.lab.nodes:
            node.drain("busy with other work")
        try:
            yield
        finally:
            for node in self.lab.nodes:
                node.resume()

    @contextlib.contextmanager
    def away(self):
        self.lab.controller.kill()
        try:
            yield
        finally:
            self.lab.controller.start()
            self.lab.wait_until_up()

    @contextlib.contextmanager
    def silent(self):
        self.lab.controller.hang()
        try:
            yield
        finally:
            self.lab.controller.go_on()
            self.lab.wait_until_up()

    @contextlib.contextmanager
    def thought_lost(self, shown):
        node = self.lab.node(shown["nodes"][0])
        node.freeze()
        try:
            yield
        finally:
            node.thaw()

    @contextlib.contextmanager
    def lost(self, shown):
        node = self.lab.node(shown["nodes"][0])
        node.crash()
        try:
            yield
        finally:
            node.start()
            node.wait_for("idle", "idle*")

    def cancel_natively(self, job, shown):
        self.lab.run("scancel", str(slurm_sites.native(self, job)))


class SimulatedSite(BackEnd):
    """Commands are really run, by the site and on this machine."""

    name = "plan"
    declared = {"principals": "a simulated site has no users",
                "bounded_logs": "the wrapper's own, as on this machine"}
    statuses = tuple(range(256))
    many = 1000

    def __init__(self, site):
        self.site = site
        self.shared = None

    def configure(self, root):
        self.shared = root / "shared"
        self.shared.mkdir(parents=True, exist_ok=True)
        return (f'[backend.plan]\ntype = "simulated"\nsocket = "{self.site.socket}"\njobs = "{self.shared}"\n'
                'period = "100ms"\ncarrier_grace = "500ms"\nsilence = "15s"\npatience = "2s"\n')

    def attempt(self, job, epoch=1):
        return self.shared / job / str(epoch)

    @contextlib.contextmanager
    def busy(self):
        self.site.mishap("drain", nodes="n[1-4]", reason="busy with other work")
        try:
            yield
        finally:
            self.site.mishap("resume", nodes="n[1-4]")

    @contextlib.contextmanager
    def away(self):
        self.site.kill()
        try:
            yield
        finally:
            self.site.start()

    @contextlib.contextmanager
    def silent(self):
        self.site.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.site.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def thought_lost(self, shown):
        """The site forgets it, and its heart does not beat."""
        attempt = json.loads((self.attempt(shown["id"], shown["epoch"]) / "attempt.json").read_text())
        group = attempt["child"]["pid"]
        os.kill(attempt["wrapper"]["pid"], signal.SIGSTOP)
        os.killpg(group, signal.SIGSTOP)
        self.site.mishap("forget", job=shown["id"])
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)
            os.kill(attempt["wrapper"]["pid"], signal.SIGCONT)

    @contextlib.contextmanager
    def lost(self, shown):
        self.site.mishap("lose_nodes", nodes=self.site.job(shown["id"])["nodes"])
        try:
            yield
        finally:
            self.site.mishap("resume", nodes="n[1-4]")

    def cancel_natively(self, job, shown):
        self.site.call("DELETE", f"/v1/jobs/{self.site.job(job)['id']}?token={job}")


class KubernetesSite(BackEnd):
    name = "lab"
    declared = {"principals": "service accounts, which a site lists; test_kubernetes.py has one that does",
                "job_directory": "pods see no directory of ours; the termination message is the carrier",
                "carrier": "pods see no directory of ours; the termination message is the carrier",
                "two_alive": "pods see no fence of ours; what they commit is the controller's, of the newest attempt",
                "clock_behind": "the server's certificates are not valid yet for such a clock",
                "bounded_logs": "the kubelet keeps the container's log, by its own bound"}

    def __init__(self, lab, server=None, patience="5s"):
        """`server`: the API server's address, where it is not the lab's own."""
        self.lab, self.server, self.patience = lab, server, patience

    def configure(self, root):
        shared = root / "shared"
        (shared / "work").mkdir(parents=True, exist_ok=True)
        self.files = f'workdir = "{shared}/work"'
        return (f'[backend.lab]\ntype = "kubernetes"\nkubeconfig = "{self.lab.kubeconfig(server=self.server)}"\n'
                f'agent_image = "{AGENT}"\nimage = "{BUSYBOX}"\nhost_network = true\n'
                f'patience = "{self.patience}"\nstart_patience = "20s"\nnode_patience = "3s"\n'
                f'jobs = "{shared}/jobs"\n[backend.lab.volumes]\n"{shared}" = "host"\n')

    def pods(self, job):
        return self.lab.api.get("/api/v1/namespaces/default/pods", labelSelector=f"sust/job={job}")["items"]

    @contextlib.contextmanager
    def busy(self):
        for node in self.lab.nodes:
            self.lab.kubectl("cordon", node.name)
        try:
            yield
        finally:
            for node in self.lab.nodes:
                self.lab.kubectl("uncordon", node.name)

    @contextlib.contextmanager
    def away(self):
        self.lab.apiserver.kill()
        try:
            yield
        finally:
            self.lab.apiserver.start()
            self.lab.wait_for_apiserver()

    @contextlib.contextmanager
    def silent(self):
        self.lab.apiserver.freeze()
        try:
            yield
        finally:
            self.lab.apiserver.thaw()
            self.lab.wait_for_apiserver()

    @contextlib.contextmanager
    def lost(self, shown):
        node = self.lab.node(shown["nodes"][0])
        node.lose()
        try:
            yield
        finally:
            node.recover()
            self.lab.wait_for_node(node.name)

    def cancel_natively(self, job, shown):
        self.lab.api.delete(f"/api/v1/namespaces/default/pods/{self.pods(job)[0]['metadata']['name']}")

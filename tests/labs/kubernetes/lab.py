"""One cluster: etcd, API server, controller manager, scheduler, and nodes that are real, fake or none."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import wait_for
from labs.kubernetes import control_plane, history, network
from labs.kubernetes.api import Api
from labs.kubernetes.certificates import Authority
from labs.kubernetes.credentials import NAMESPACE, Credentials
from labs.kubernetes.fakes import FakeNodes
from labs.kubernetes.images import own_images
from labs.kubernetes.node import Node
from labs.kubernetes.place import claim, release
from labs.kubernetes.programs import ensure_programs
from labs.kubernetes.proxy import Proxy

# What the limited user may do, in its namespace only: run jobs and read what they say.
RULES = [{"apiGroups": [""], "verbs": ["*"],
          "resources": ["pods", "pods/log", "pods/exec", "configmaps", "secrets", "services", "events"]},
         {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]},
         {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}]


class KubernetesLab:
    """`with KubernetesLab(nodes=2) as lab`: ready when the block begins, gone without trace when it ends.

    nodes=0 needs no rights and starts no kubelet; fake_nodes() then gives it nodes. With watch_cache=False
    every read asks etcd, so compact() alone makes old resourceVersions 410 Gone. node_grace is how many
    seconds a node may be silent before it is NotReady. keep=True leaves the lab when this process ends.
    """

    def __init__(self, nodes=0, watch_cache=True, node_grace=6, keep=False):
        self.programs = ensure_programs()
        self.place = claim(keep)
        self.folder = self.place.folder
        self.fakes = []
        self.proxies = []
        self.address = self.place.address(0) if nodes else "127.0.0.1"
        self.server = f"https://{self.address}:{self.place.port('apiserver')}"
        self.nodes = [Node(self.place, number, self.programs, nodes) for number in range(1, nodes + 1)]
        self.authority = Authority(self.folder / "certificates")
        self.credentials = Credentials(self.folder / "credentials", self.authority, self.server,
                                       [node.name for node in self.nodes])
        common = (self.place, self.programs)
        self.etcd = control_plane.etcd(self.place)
        self.apiserver = control_plane.apiserver(*common, self.authority, self.credentials, self.address, watch_cache)
        self.controllers = control_plane.controllers(*common, self.authority, self.credentials, node_grace)
        self.scheduler = control_plane.scheduler(*common, self.credentials)
        self.api = self.api_of("admin")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    # Starting and ending

    def start(self):
        """Returns when the cluster is ready. A start that fails says the daemons' last words and leaves nothing."""
        try:
            self.start_daemons()
            self.wait_until_ready()
        except BaseException:
            print(self.last_words(), file=sys.stderr)
            self.close()
            raise

    def start_daemons(self):
        """Nodes boot while the API server starts: both wait for the disk and for themselves."""
        if self.nodes:
            network.make_bridge(self.place)
        archives = own_images(self.folder / "images", self.programs) if self.nodes else []
        with ThreadPoolExecutor(len(self.nodes) + 1) as pool:
            booting = [pool.submit(self.prepare_node, node, archives) for node in self.nodes]
            self.etcd.start()
            self.apiserver.start()
            # Its clients start while it creates its own objects.
            self.wait_for_apiserver("/version")
            self.controllers.start()
            self.scheduler.start()
            for node, boot in zip(self.nodes, booting):
                boot.result()
                node.kubelet.start()

    def wait_until_ready(self):
        self.wait_for_apiserver()
        self.make_limited_user()
        for node in self.nodes:
            self.wait_for_node(node.name)
        for namespace in ("default", NAMESPACE):
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
            wait_for(f"the service account of {namespace}", lambda: (self.api.look(path) or {}).get("secrets"))

    def prepare_node(self, node: Node, archives):
        node.write_settings(self.kubeconfig(node.name), self.authority.certificate)
        node.boot()
        for archive in archives:
            node.load_image(archive)

    def make_limited_user(self):
        access = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
        self.api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.api.create(f"{access}/roles", {"metadata": {"name": "member"}, "rules": RULES})
        self.api.create(f"{access}/rolebindings", {
            "metadata": {"name": "member"}, "subjects": [{"kind": "User", "name": "limited"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "member"}})

    def close(self):
        for proxy in self.proxies:
            proxy.close()
        for fake in self.fakes:
            fake.stop()
        release(self.place)
        for daemon in self.daemons():
            if daemon.wrapper:
                daemon.wrapper.wait(20)

    def last_words(self) -> str:
        return "\n".join(f"== {daemon.name}\n{daemon.last_words()}" for daemon in self.daemons())

    def daemons(self):
        own = [self.etcd, self.apiserver, self.controllers, self.scheduler]
        return own + [daemon for node in self.nodes for daemon in (node.init, node.containerd, node.kubelet)]

    # Access

    def kubeconfig(self, user="admin", proof="token", server=None) -> Path:
        """See Credentials.kubeconfig; users are admin and limited (namespace `team` only)."""
        return self.credentials.kubeconfig(user, proof, server)

    def api_of(self, user: str) -> Api:
        return Api(self.server, self.authority.certificate, self.credentials.tokens[user])

    def kubectl(self, *words, user="admin", proof="token", check=True):
        argv = ["kubectl", "--kubeconfig", self.kubeconfig(user, proof), "--cache-dir", self.folder / "kubectl", *words]
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"kubectl {' '.join(map(str, words))}: {done.stderr}"
        return done

    def proxy(self) -> Proxy:
        """A wire to the API server for faults; give its .server to kubeconfig()."""
        made = Proxy((self.address, self.place.port("apiserver")))
        self.proxies.append(made)
        return made

    # Nodes and images

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def ready(self, name: str):
        """True, False, or None while nobody knows."""
        found = self.api.look(f"/api/v1/nodes/{name}") or {}
        said = {one["type"]: one["status"] for one in found.get("status", {}).get("conditions", [])}
        return {"True": True, "False": False}.get(said.get("Ready"))

    def give(self, name: str, resource: str, count: int):
        """A resource that is only counted, as nvidia.com/gpu; a node that loses power loses it."""
        self.api.patch(f"/api/v1/nodes/{name}/status", {"status": {
            "capacity": {resource: str(count)}, "allocatable": {resource: str(count)}}})

    def wait_for_node(self, name: str, ready=True, within=60):
        wait_for(f"node {name} to be {'Ready' if ready else 'NotReady'}",
                 lambda: (self.ready(name) is True) == ready, within)

    def fake_nodes(self, count: int, **how) -> FakeNodes:
        """See FakeNodes; they end with the lab."""
        fake = FakeNodes(self.api, count, **how)
        self.fakes.append(fake)
        fake.start()
        return fake

    def load_images(self, archives):
        """Archives of oci.write_archive, into every node."""
        with ThreadPoolExecutor(max(len(self.nodes), 1)) as pool:
            for loaded in [pool.submit(node.load_image, archive) for node in self.nodes for archive in archives]:
                loaded.result()

    # Faults beyond those of a daemon (kill, stop, restart, freeze) and of a node (lose, recover, cut, mend)

    def wait_for_apiserver(self, path="/readyz", within=60):
        def answers():
            assert self.apiserver.alive, f"the API server ended:\n{self.apiserver.last_words()}"
            return self.api.look(path)
        wait_for(f"the API server, see {self.apiserver.log}", answers, within)

    def restart_apiserver(self):
        """Killed and back: every watch breaks, and its memory of old resourceVersions is gone."""
        self.apiserver.restart()
        self.wait_for_apiserver()

    def compact(self) -> int:
        """etcd forgets the past. The API server's watch cache does not: see forget_history()."""
        return history.compact(self.place.port("etcd"))

    def forget_history(self):
        """After this a watch or a page from any earlier resourceVersion is 410 Gone."""
        # A change after the last one seen, so that the newest resourceVersion seen is in the past.
        self.api.patch(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"annotations": {
            "sust.lab/forgotten": str(threading.get_ident()) + str(self.compact())}}})
        self.compact()
        self.restart_apiserver()

"""Nodes that are only entries in the API server, kept Ready by a thread: hundreds of them cost nothing."""

import http.client
import threading
import time
from datetime import datetime, timezone

from labs.kubernetes.api import Api, Refused

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CAPACITY = {"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": "4"}


def now(timespec="seconds") -> str:
    return datetime.now(timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")


class FakeNodes:
    """Owns its thread. A pod that is bound to one of its nodes stays Pending until play() says what it does."""

    def __init__(self, api: Api, count: int, capacity=None, labels=None, prefix="fake", every=2.0):
        self.api = api
        self.capacity = {**CAPACITY, **(capacity or {})}
        self.labels = {"sust.lab/fake": "true", **(labels or {})}
        self.names = [f"{prefix}{number}" for number in range(1, count + 1)]
        self.silent = set()
        self.every = every
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.renew, name="fake-nodes", daemon=True)

    def start(self):
        api = self.api.one_connection()
        for name in self.names:
            self.make(api, name)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        if self.thread.ident:
            self.thread.join(30)

    def make(self, api, name: str):
        api.create("/api/v1/nodes", {"metadata": {"name": name, "labels": {
            **self.labels, "kubernetes.io/hostname": name}}})
        api.patch(f"/api/v1/nodes/{name}/status", {"status": {
            "capacity": self.capacity, "allocatable": self.capacity, "conditions": [self.ready()]}})
        api.create(LEASES, {"metadata": {"name": name}, "spec": {
            "holderIdentity": name, "leaseDurationSeconds": 8, "renewTime": now("microseconds")}})

    def ready(self) -> dict:
        return {"type": "Ready", "status": "True", "reason": "Fake", "message": "kept by a test",
                "lastHeartbeatTime": now(), "lastTransitionTime": now()}

    def renew(self):
        """Each lease every `every` seconds; a server that is away is asked again the next time."""
        api = self.api.one_connection()
        while not self.stopping.wait(self.every):
            began = time.monotonic()
            for name in self.names:
                if name in self.silent or self.stopping.is_set():
                    continue
                try:
                    api.patch(f"{LEASES}/{name}", {"spec": {"renewTime": now("microseconds")}})
                except (Refused, OSError, http.client.HTTPException):
                    if time.monotonic() - began > self.every:
                        break

    def silence(self, name: str):
        """The node's lease is no longer renewed: NotReady after the grace period."""
        self.silent.add(name)

    def speak(self, name: str):
        """Renewed again, and Ready as a kubelet would say."""
        self.silent.discard(name)
        self.api.patch(f"{LEASES}/{name}", {"spec": {"renewTime": now("microseconds")}})
        self.api.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [self.ready()]}})

    def play(self, namespace: str, pod: str, phase: str, exit_code=0, message="", reason=""):
        """Says what a kubelet would: Running, Succeeded or Failed, with the container's end."""
        container = {"name": "main", "image": "none", "imageID": "none", "restartCount": 0, "ready": phase == "Running"}
        if phase == "Running":
            container["state"] = {"running": {"startedAt": now()}}
        else:
            container["state"] = {"terminated": {
                "exitCode": exit_code, "message": message, "startedAt": now(), "finishedAt": now(),
                "reason": reason or ("Completed" if exit_code == 0 else "Error")}}
        status = {"phase": phase, "podIP": "192.0.2.1", "containerStatuses": [container], "startTime": now(),
                  "conditions": [{"type": "Ready", "status": str(phase == "Running")}]}
        return self.api.patch(f"/api/v1/namespaces/{namespace}/pods/{pod}/status", {"status": status})

    def finish_deletion(self, namespace: str, pod: str):
        """Confirms that a pod marked for deletion has ended, which only its kubelet may say."""
        return self.api.call("DELETE", f"/api/v1/namespaces/{namespace}/pods/{pod}", {"gracePeriodSeconds": 0})

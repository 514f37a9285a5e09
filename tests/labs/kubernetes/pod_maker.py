"""A controller for objects whose own cannot run here: it makes their pods, and again those that are missing."""

import http.client
import json
import threading

from labs.kubernetes.api import Api, Refused
from labs.kubernetes.played import RANKS

PODS = "/api/v1/namespaces/default/pods"


class PodMaker:
    """Owns its thread. `template` takes the pod template out of an object, `count` how many pods it wants."""

    def __init__(self, api: Api, path: str, template, count, ranks: str):
        self.api, self.path, self.template, self.count = api, path, template, count
        self.where, self.key = RANKS[ranks]
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name="pod-maker", daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(30)

    def run(self):
        api = self.api.one_connection()
        while not self.stopping.wait(0.2):
            try:
                for one in api.get(self.path)["items"]:
                    if "deletionTimestamp" not in one["metadata"]:
                        self.make(api, one)
            except (Refused, OSError, http.client.HTTPException):
                continue  # the server is away, or a pod of that name is still there: with the next round

    def make(self, api, one):
        owner = {"apiVersion": one["apiVersion"], "kind": one["kind"], "name": one["metadata"]["name"],
                 "uid": one["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}
        for rank in range(self.count(one)):
            pod = json.loads(json.dumps(self.template(one)))
            pod["metadata"].update(name=f"{owner['name']}-{rank}", ownerReferences=[owner])
            pod["metadata"].setdefault(self.where, {})[self.key] = str(rank)
            if api.look(f"{PODS}/{owner['name']}-{rank}") is None:
                api.create(PODS, pod)

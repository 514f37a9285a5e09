"""kubernetes_event_to_end: from the API server's event that a pod has ended, as a plain watch beside us hears it, to the
moment at which sustd shows the job as ended: 100 jobs on two real nodes, a few at a time. The kubelet's own time, from
the end of the command to that event, is told beside it."""

import datetime
import statistics
import threading
import time

from cluster.kubernetes_site import load_agent
from cluster.sites import KubernetesSite
from labs.kubernetes.lab import KubernetesLab
from lab_site import ends_of, moment, sust_of

JOBS = 100
AT_ONCE = 4
WATCH_SECONDS = 3_600


class Ends:
    """When a raw watch of all pods first told of the end of each job's container; its thread ends with the server."""

    def __init__(self, api):
        self.api, self.heard = api, {}
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        try:
            for event in self.api.watch("/api/v1/namespaces/default/pods", seconds=WATCH_SECONDS):
                now = datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc)
                job = event["object"]["metadata"].get("labels", {}).get("sust/job")
                states = [one["state"] for one in event["object"].get("status", {}).get("containerStatuses", [])]
                if job and any("terminated" in state for state in states):
                    self.heard.setdefault(job, now)
        except (OSError, ValueError):
            return  # the lab is gone


def measure(build):
    late, kubelet = [], []
    with KubernetesLab(nodes=2) as lab:
        site = KubernetesSite(lab)
        load_agent(lab, build, lab.folder)
        with sust_of(build, site) as (_, api):
            ends = Ends(lab.api)
            for _ in range(0, JOBS, AT_ONCE):
                for shown in ends_of(api, [api.submit("lab", ["true"]) for _ in range(AT_ONCE)]):
                    event = ends.heard[shown["id"]]
                    late.append((moment(shown["finished"]) - event).total_seconds() * 1e3)
                    kubelet.append((event - moment(shown["attempts"][-1]["finished"])).total_seconds() * 1e3)
    yield "kubernetes_event_to_end", statistics.median(late), "ms", None, None
    yield "kubernetes_event_to_end_p90", statistics.quantiles(late, n=10)[8], "ms", None, None
    yield "kubernetes_kubelet", statistics.median(kubelet), "ms", None, None

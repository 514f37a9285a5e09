"""kubernetes_watch: sustd with 10,000 jobs whose pods no node can take. Its memory for each pod is what it grows by when
an installation that found its jobs again, and not yet the API server, hears of the pods; and a list of all pods anew,
after every connection was cut, may not keep others from being answered: the longest answer about a job meanwhile is
told beside the longest of as long a time without a list."""

import threading
import time

from cluster.sites import KubernetesSite
from conftest import wait_for
from labs.kubernetes.lab import KubernetesLab
from lab_site import Api, memory, restart, sust_of

PODS = 10_000
PODS_PATH = "/api/v1/namespaces/default/pods"
FILL_SECONDS = 3_600
LIST_SECONDS = 600
QUIET_SECONDS = 20
PAGE = 500  # of our lists
KIB = 1024


class Asker(threading.Thread):
    """Asks for one job again and again; `longest` is the longest that an answer took, in seconds."""

    def __init__(self, sust, job):
        super().__init__(daemon=True)
        self.api, self.job = Api(sust), job
        self.longest, self.answers, self.ended = 0.0, 0, False

    def run(self):
        while not self.ended:
            began = time.monotonic()
            self.api.show(self.job)
            self.longest = max(self.longest, time.monotonic() - began)
            self.answers += 1
            time.sleep(0.002)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.join()


def count_pods(lab):
    told = lab.api.get(PODS_PATH, limit=1)
    return len(told["items"]) + told["metadata"].get("remainingItemCount", 0)


def pages(lab):
    """How many lists of pods, or pages of one, the API server has answered."""
    lines = lab.api.get("/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("apiserver_request_total{") and
               'resource="pods"' in line and 'verb="LIST"' in line and 'code="200"' in line)


def settled(pid):
    """Its memory once that no longer grows."""
    sizes = [memory(pid)]
    while len(sizes) < 4 or sizes[-1] > sizes[-4]:
        time.sleep(1)
        sizes.append(memory(pid))
    return sizes[-1]


def measure(build):
    with KubernetesLab() as lab:
        wire = lab.proxy()
        with sust_of(build, KubernetesSite(lab, wire.server, patience="30s")) as (sust, api):
            began = time.monotonic()
            jobs = [api.submit("lab", ["true"]) for _ in range(PODS)]
            wait_for(f"{PODS} pods are there", lambda: count_pods(lab) >= PODS, within=FILL_SECONDS)
            yield "kubernetes_submit", PODS / (time.monotonic() - began), "/s", None, None

            wire.refuse()
            pid = restart(sust)
            without = settled(pid)
            wire.mend()
            api = Api(sust)
            wait_for("the pods are seen", lambda: api.show(jobs[-1])["state"] == "queued", within=LIST_SECONDS)
            yield "kubernetes_watch", (settled(pid) - without) / PODS / KIB, "KiB a pod", None, None
            yield "kubernetes_watch_memory", memory(pid, "VmHWM") / KIB**2, "MiB at most", None, None

            with Asker(sust, jobs[0]) as asker:
                time.sleep(QUIET_SECONDS)
            quiet = asker.longest
            listed = pages(lab)
            with Asker(sust, jobs[0]) as asker:
                wire.cut()
                time.sleep(QUIET_SECONDS)
            assert pages(lab) - listed >= PODS / PAGE, "the pods were not listed again"
            yield ("kubernetes_relist_answer", asker.longest * 1e3, "ms at most", asker.longest / quiet,
                   f"no list ({quiet * 1e3:.2f} ms)")

"""Pods that are driven off their node, by whoever may: what their jobs end as, and what a drain of ours leaves."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster.jobs import Jobs
from cluster.kubernetes_site import PODS, Site, load_agent
from conftest import wait_for
from labs.kubernetes.api import pod as plain_pod
from labs.kubernetes.images import BUSYBOX

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
BUDGETS = "/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets"
# Ends at once where it is told to, and runs for ever in its first attempt alone.
TWICE = "echo on $SUST_NODE_NAME; test $SUST_JOB_EPOCH -ge 2 || exec sleep 600"
AGAIN = '[retry]\ncount = 1\non = ["preempted"]\nback_off = "0s"'


@pytest.fixture(scope="module")
def lab(kubernetes, build, tmp_path_factory):
    load_agent(kubernetes, build, tmp_path_factory.mktemp("agent"))
    return kubernetes


def site_of(lab, sust, folder, text=""):
    site = Site(lab, sust, folder, lab.kubeconfig("admin"), text)
    wait_for("the nodes are seen", lambda: sust.run("node", "ls", "--backend", "lab", check=False).returncode == 0)
    return site


@pytest.fixture
def site(lab, sust, tmp_path):
    return site_of(lab, sust, tmp_path)


def on(node, labels=""):
    return f'[options.lab]\nnode-selector = "kubernetes.io/hostname={node}"\n{labels}'


def begun(site, text="", script=TWICE):
    """A job whose first attempt runs, and its pod."""
    job = site.jobs.submit(script, text)
    site.said(job, "on k")
    return job, site.pod(job)


def evict(lab, pod):
    name = pod["metadata"]["name"]
    lab.api.create(PODS.format("default") + f"/{name}/eviction", {
        "apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}})


@contextlib.contextmanager
def budget(lab, name, label):
    """A real PodDisruptionBudget that the controller has counted: none of one pod may go."""
    lab.api.create(BUDGETS, {"metadata": {"name": name}, "spec": {
        "minAvailable": 1, "selector": {"matchLabels": label}}})
    wait_for("it counts its pod", lambda: lab.api.get(f"{BUDGETS}/{name}").get("status", {}).get("currentHealthy") == 1)
    try:
        yield
    finally:
        if lab.api.look(f"{BUDGETS}/{name}"):
            lab.api.delete(f"{BUDGETS}/{name}")


# --- What the job ends as


def test_a_pod_of_a_node_that_kubectl_drains_is_preempted_and_goes_on_elsewhere(site, lab):
    job, pod = begun(site, AGAIN)
    node = pod["spec"]["nodeName"]
    try:
        lab.kubectl("drain", node, "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=40s",
                    f"--pod-selector=sust/job={job}")
        shown = site.jobs.end(job)
    finally:
        lab.kubectl("uncordon", node)
    assert shown["end"] == "completed", shown
    first, second = shown["attempts"]
    assert first["end"] == "preempted" and f"{node} was drained" in first["reason"], first
    assert second["nodes"] and second["nodes"] != [node]


def test_a_pod_that_was_evicted_before_its_command_began_is_preempted_too(lab, sust, tmp_path):
    site = site_of(lab, sust, tmp_path, '[backend.lab.images]\nodd = "lab.local/no-such-image:1"')
    job = site.jobs.submit("true", 'environment = "odd"')
    node = wait_for("it has its node", lambda: site.pod(job)["spec"].get("nodeName"))
    lab.kubectl("cordon", node)
    try:
        evict(lab, site.pod(job))
        shown = site.jobs.end(job)
    finally:
        lab.kubectl("uncordon", node)
    assert shown["end"] == "preempted", shown


def test_an_eviction_that_nobody_explains_is_what_the_site_says(lab, sust, tmp_path):
    """This server does not say in the pod why it was deleted, and its node is as it was."""
    site = site_of(lab, sust, tmp_path, 'deleted = "preempted"')
    job, pod = begun(site, AGAIN)
    evict(lab, pod)
    shown = site.jobs.end(job)
    assert [one["end"] for one in shown["attempts"]] == ["preempted", "completed"], shown


def test_a_taint_that_drives_pods_off_a_living_node_preempts(site, lab):
    job, pod = begun(site, AGAIN)
    node = pod["spec"]["nodeName"]
    try:
        lab.kubectl("taint", "node", node, "maintenance=soon:NoExecute")
        shown = site.jobs.end(job)
    finally:
        lab.kubectl("taint", "node", node, "maintenance-", check=False)
    assert shown["end"] == "completed", shown
    first, second = shown["attempts"]
    assert first["end"] == "preempted" and "taint" in first["reason"], first
    assert second["nodes"] != [node]


def test_a_node_under_pressure_preempts(site, lab):
    """The node's own kubelet evicts: it wants nearly all of the memory free."""
    job, pod = begun(site, AGAIN)
    node = lab.node(pod["spec"]["nodeName"])
    settings = node.folder / "lab/kubelet.json"
    usual = settings.read_text()
    hard = json.loads(usual)
    hard["evictionHard"]["memory.available"] = "99%"
    try:
        settings.write_text(json.dumps(hard))
        node.kubelet.restart()
        shown = site.jobs.end(job, within=120)
    finally:
        settings.write_text(usual)
        node.kubelet.restart()
        look = lambda: lab.api.get(f"/api/v1/nodes/{node.name}")["spec"].get("taints")
        wait_for("the pressure is over", lambda: not look(), 90)
    assert shown["end"] == "completed", shown
    assert shown["attempts"][0]["end"] == "preempted", shown


def test_a_node_that_is_removed_has_lost_its_pods(site, lab):
    job, pod = begun(site)
    node = lab.node(pod["spec"]["nodeName"])
    node.lose()
    try:
        lab.kubectl("delete", "node", node.name)
        shown = site.jobs.end(job, within=180)
    finally:
        node.recover()
        lab.wait_for_node(node.name)
    assert shown["end"] == "node_lost", shown


# --- A drain of ours


def drain(site, node, grace, check=True):
    return site.sust.json("node", "hold", node, "--reason", "fan is loud", "--drain", "--grace", grace,
                          "--backend", "lab", check=check)


def finish(site, *jobs):
    """What a test leaves would count for the next one's budget."""
    for job in jobs:
        site.sust.run("job", "cancel", job)
    for job in jobs:
        site.jobs.end(job)
        site.gone(job)


@contextlib.contextmanager
def released(site, lab, node):
    try:
        yield
    finally:
        site.sust.run("node", "release", node, check=False)
        wait_for(f"{node} takes pods", lambda: not lab.api.get(f"/api/v1/nodes/{node}")["spec"].get("unschedulable"))


def test_a_drain_evicts_our_pods_and_nobody_elses(site, lab):
    stranger = plain_pod("stranger", BUSYBOX, ["sleep", "600"], nodeName="k1", hostNetwork=True)
    lab.api.create(PODS.format("default"), stranger)
    there = PODS.format("default") + "/stranger"
    wait_for("the stranger runs", lambda: lab.api.get(there)["status"]["phase"] == "Running")
    mine, pod = begun(site, on("k1"))
    other, _ = begun(site, on("k2"))
    try:
        with released(site, lab, "k1"):
            told = drain(site, "k1", "60s")
            assert told["drained"] and [(part["job"], part["gone"]) for part in told["parts"]] == [(mine, True)], told
            assert told["parts"][0]["part"] == pod["metadata"]["name"]
            node = lab.api.get("/api/v1/nodes/k1")
            assert node["spec"]["unschedulable"] and node["metadata"]["annotations"]["sust/hold"] == "fan is loud"
            left = lab.api.get(there)
            assert left["status"]["phase"] == "Running" and "deletionTimestamp" not in left["metadata"]
            shown = site.jobs.show(mine)
            assert shown["end"] == "preempted" and "fan is loud" in shown["reason"], shown
            assert site.jobs.show(other)["state"] == "running"
            again = drain(site, "k1", "30s")
            assert again["drained"] and again["parts"] == []
    finally:
        lab.api.delete(there, gracePeriodSeconds=0)
    finish(site, other)


def test_a_budget_is_kept_and_what_stays_is_told_with_its_reason(site, lab):
    guarded, pod = begun(site, on("k1", '[labels]\nguarded = "yes"'))
    free, _ = begun(site, on("k1"))
    try:
        with released(site, lab, "k1"), budget(lab, "keep-one", {"sust.label/guarded": "yes"}):
            done = site.sust.run("node", "hold", "k1", "--reason", "x", "--drain", "--grace", "25s", "--json",
                                 check=False)
            told = json.loads(done.stdout)
            assert done.returncode == 6 and not told["drained"], done.stdout + done.stderr
            said = {part["job"]: part for part in told["parts"]}
            assert said[free]["gone"] and not said[guarded]["gone"], said
            assert "disruption budget" in said[guarded]["why"] and "keep-one" in said[guarded]["why"]
            assert site.jobs.show(guarded)["state"] == "running"
            assert [one["metadata"]["uid"] for one in site.pods(guarded)] == [pod["metadata"]["uid"]]
    finally:
        finish(site, guarded, free)


def test_a_drain_waits_for_a_budget_that_lets_go(site, lab):
    guarded, _ = begun(site, on("k1", '[labels]\nguarded = "yes"'))
    free, _ = begun(site, on("k1"))
    try:
        with released(site, lab, "k1"), budget(lab, "keep-one", {"sust.label/guarded": "yes"}):
            with ThreadPoolExecutor(1) as pool:
                told = pool.submit(drain, site, "k1", "90s")
                assert site.jobs.end(free)["end"] == "preempted"
                assert not told.done() and site.jobs.show(guarded)["state"] == "running"
                lab.api.delete(f"{BUDGETS}/keep-one")
                assert told.result(120)["drained"]
        assert site.jobs.end(guarded)["end"] == "preempted"
    finally:
        finish(site, guarded, free)


def test_a_drain_by_a_user_without_the_right_says_which_is_missing(lab, sust, tmp_path):
    """May do all that jobs need, and hold nodes, and may not evict."""
    rights = "/apis/rbac.authorization.k8s.io/v1"
    lab.api.create(f"{rights}/clusterroles", {"metadata": {"name": "holder"}, "rules": [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "patch"]}]})
    lab.kubectl("create", "clusterrolebinding", "holder", "--clusterrole=holder", "--user=limited")
    try:
        site = Site(lab, sust, tmp_path, lab.kubeconfig("limited"), namespace="team")
        job, _ = begun(site, on("k1"))
        with released(site, lab, "k1"):
            told = drain(site, "k1", "3s", check=False)
            assert not told["drained"] and "403" in told["parts"][0]["why"], told
        lines = sust.json("backend", "check", "lab", check=False)["checks"]
        right = next(line for line in lines if line["what"] == "pods/eviction")
        assert right["outcome"] == "warning" and "may not create" in right["detail"]
        finish(site, job)
    finally:
        lab.kubectl("delete", "clusterrolebinding/holder", "clusterrole/holder")


def test_a_node_that_somebody_else_cordoned_is_not_drained(site, lab):
    job, _ = begun(site, on("k1"))
    lab.kubectl("cordon", "k1")
    try:
        wait_for("it is seen", lambda: any("somebody else" in node["reason"] for node in
                                           site.sust.json("node", "ls", "--backend", "lab")), 30)
        done = site.sust.run("node", "hold", "k1", "--reason", "x", "--drain", check=False)
        assert done.returncode == 5 and "somebody else" in done.stderr
        assert site.jobs.show(job)["state"] == "running"
    finally:
        lab.kubectl("uncordon", "k1")
    finish(site, job)


def test_a_back_end_that_cannot_drain_says_so_and_holds_nothing(site):
    able = {one["name"]: one["capabilities"] for one in site.sust.json("backend", "ls")}
    assert "drain_nodes" in able["lab"] and "drain_nodes" not in able["local"]
    here = site.sust.json("node", "ls", "--backend", "local")[0]["name"]
    done = site.sust.run("node", "hold", here, "--reason", "x", "--drain", check=False)
    assert done.returncode == 2 and "drain_nodes" in done.stderr, done.stderr
    assert not site.sust.json("node", "ls", "--backend", "local")[0]["held"]
    assert Jobs(site.sust, site.jobs.folder).end(Jobs(site.sust, site.jobs.folder).submit("true"))["end"] == "completed"
    done = site.sust.run("node", "hold", here, "--reason", "x", "--grace", "5s", check=False)
    assert done.returncode == 2 and "--drain" in done.stderr

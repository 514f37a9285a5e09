"""Pods that are driven off their node, by whoever may: what their jobs end as."""

import json

import pytest

from cluster.kubernetes_site import PODS, Site, load_agent
from conftest import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
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


def begun(site, text="", script=TWICE):
    """A job whose first attempt runs, and its pod."""
    job = site.jobs.submit(script, text)
    site.said(job, "on k")
    return job, site.pod(job)


def evict(lab, pod):
    name = pod["metadata"]["name"]
    lab.api.create(PODS.format("default") + f"/{name}/eviction", {
        "apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}})


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

"""The Kubernetes lab does what the tests of the back end rely on, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import REPOSITORY, wait_for
from labs.kubernetes.api import Refused, pod
from labs.kubernetes.identity import lives
from labs.kubernetes.images import BUSYBOX
from labs.kubernetes.place import BASE, registry, sweep

pytestmark = pytest.mark.lab
PODS = "/api/v1/namespaces/default/pods"
PATIENT = {"tolerations": [{"key": key, "operator": "Exists", "effect": "NoExecute"} for key in
                           ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")]}


def phase(lab, name):
    return (lab.api.look(f"{PODS}/{name}") or {}).get("status", {}).get("phase")


def run(lab, name, *words, **specification):
    """A pod of the small image that was seen running."""
    lab.api.create(PODS, pod(name, BUSYBOX, list(words), **specification))
    wait_for(f"pod {name} to run", lambda: phase(lab, name) == "Running")
    return lab.api.get(f"{PODS}/{name}")


# Real nodes


def test_nodes_are_ready_and_each_is_a_machine_of_its_own(kubernetes):
    nodes = kubernetes.api.get("/api/v1/nodes")["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["k1", "k2"]
    assert all(kubernetes.ready(node.name) for node in kubernetes.nodes)
    addresses = {one["address"] for node in nodes for one in node["status"]["addresses"] if one["type"] == "InternalIP"}
    assert addresses == {node.address for node in kubernetes.nodes}


def test_a_pod_ends_with_status_message_and_logs(kubernetes):
    script = "echo first line; echo why it ended >/dev/termination-log; exit 3"
    kubernetes.api.create(PODS, pod("ends", BUSYBOX, ["sh", "-c", script], hostNetwork=True))
    wait_for("the pod to end", lambda: phase(kubernetes, "ends") == "Failed")
    state = kubernetes.api.get(f"{PODS}/ends")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["message"].strip()) == (3, "why it ended")
    assert kubernetes.api.get(f"{PODS}/ends/log") == "first line\n"
    assert kubernetes.kubectl("logs", "ends").stdout == "first line\n"


def test_pods_of_two_nodes_reach_each_other_and_this_machine_reaches_both(kubernetes):
    web = run(kubernetes, "web", "sh", "-c", "mkdir /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www",
              nodeName="k1")
    address = f"http://{web['status']['podIP']}/"
    kubernetes.api.create(PODS, pod("reads", BUSYBOX, ["sh", "-c", f"wget -qO- {address}"], nodeName="k2"))
    wait_for("the reader to end", lambda: phase(kubernetes, "reads") in ("Succeeded", "Failed"))
    assert kubernetes.api.get(f"{PODS}/reads/log") == "hello\n"
    assert subprocess.run(["curl", "-s", address], capture_output=True, text=True).stdout == "hello\n"


def test_a_taint_keeps_pods_away_that_do_not_tolerate_it(kubernetes):
    node = "/api/v1/nodes/k2"
    kubernetes.api.patch(node, {"metadata": {"labels": {"class": "hpc"}}, "spec": {
        "taints": [{"key": "hpc", "value": "true", "effect": "NoSchedule"}]}})
    wanted = {"nodeSelector": {"class": "hpc"}, "hostNetwork": True}
    kubernetes.api.create(PODS, pod("outside", BUSYBOX, ["true"], **wanted))
    kubernetes.api.create(PODS, pod("inside", BUSYBOX, ["true"], tolerations=[
        {"key": "hpc", "operator": "Equal", "value": "true", "effect": "NoSchedule"}], **wanted))
    wait_for("the tolerating pod", lambda: phase(kubernetes, "inside") == "Succeeded")
    said = wait_for("the scheduler's word", lambda: kubernetes.api.get(f"{PODS}/outside")["status"].get("conditions"))
    assert (said[0]["reason"], phase(kubernetes, "outside")) == ("Unschedulable", "Pending")
    assert "taint" in said[0]["message"]
    kubernetes.api.patch(node, {"spec": {"taints": None}})


def test_a_node_is_given_accelerators_that_are_counted(kubernetes):
    kubernetes.give("k1", "nvidia.com/gpu", 2)
    for name in ("two", "two-more"):
        kubernetes.api.create(PODS, pod(name, BUSYBOX, ["sleep", "600"], hostNetwork=True,
                                        container={"resources": {"limits": {"nvidia.com/gpu": "2"}}}))
        wait_for("the scheduler's word", lambda: kubernetes.api.get(f"{PODS}/{name}")["status"].get("conditions"))
    wait_for("the first to run", lambda: phase(kubernetes, "two") == "Running")
    assert phase(kubernetes, "two-more") == "Pending"
    kubernetes.api.delete(f"{PODS}/two")
    wait_for("the second to run", lambda: phase(kubernetes, "two-more") == "Running")


def test_a_container_over_its_memory_is_killed_for_that(kubernetes):
    eats = "head -c 300m /dev/zero | tail -c 300m | wc -c; exit 9"
    kubernetes.api.create(PODS, pod("eats", BUSYBOX, ["sh", "-c", eats], hostNetwork=True,
                                    container={"resources": {"limits": {"memory": "20Mi"}}}))
    wait_for("the pod to end", lambda: phase(kubernetes, "eats") in ("Failed", "Succeeded"))
    state = kubernetes.api.get(f"{PODS}/eats")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert state["reason"] == "OOMKilled", state


def test_an_api_server_that_dies_takes_no_pod_with_it(kubernetes):
    before = run(kubernetes, "outlives", "sleep", "600", hostNetwork=True)["status"]["containerStatuses"][0]
    kubernetes.apiserver.kill()
    assert kubernetes.api.look("/readyz") is None
    kubernetes.apiserver.start()
    kubernetes.wait_for_apiserver()
    after = kubernetes.api.get(f"{PODS}/outlives")["status"]["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
    assert kubernetes.kubectl("exec", "outlives", "--", "hostname").stdout.strip() in ("k1", "k2")


def test_a_dead_kubelet_makes_its_node_not_ready_and_its_pods_run_on(kubernetes):
    node = kubernetes.node("k2")
    stays = run(kubernetes, "stays", "sleep", "600", nodeName="k2", hostNetwork=True, **PATIENT)
    container = stays["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    node.kubelet.kill()
    kubernetes.wait_for_node("k2", ready=False)
    tasks = node.ctr("tasks", "list").stdout.splitlines()
    assert [line.split()[2] for line in tasks if line.startswith(container)] == ["RUNNING"]
    node.kubelet.start()
    kubernetes.wait_for_node("k2")
    assert phase(kubernetes, "stays") == "Running"


def test_a_node_that_loses_power_comes_back_without_its_containers(kubernetes):
    node = kubernetes.node("k1")
    before = run(kubernetes, "again", "sleep", "600", nodeName="k1", hostNetwork=True, restartPolicy="Always",
                 **PATIENT)["status"]["containerStatuses"][0]
    node.lose()
    kubernetes.wait_for_node("k1", ready=False)
    node.recover()
    kubernetes.wait_for_node("k1")
    wait_for("the container to be another one", lambda: kubernetes.api.get(f"{PODS}/again")["status"][
        "containerStatuses"][0].get("containerID") not in (None, before["containerID"]))


# Users and how they prove who they are


@pytest.mark.parametrize("proof", ["token", "token-file", "certificate", "exec"])
def test_every_kind_of_kubeconfig_lets_its_user_in(kubernetes_api, proof):
    for user, namespace in (("admin", "kube-system"), ("limited", "team")):
        done = kubernetes_api.kubectl("get", "pods", "-n", namespace, user=user, proof=proof)
        assert "No resources found" in done.stderr


@pytest.mark.parametrize("proof", ["expired", "wrong"])
def test_an_expired_certificate_and_a_wrong_token_are_refused(kubernetes_api, proof):
    done = kubernetes_api.kubectl("get", "pods", proof=proof, check=False)
    assert done.returncode != 0
    assert "Unauthorized" in done.stderr or "must be logged in" in done.stderr


def test_the_limited_user_is_forbidden_elsewhere(kubernetes_api):
    limited = kubernetes_api.api_of("limited")
    assert limited.get("/api/v1/namespaces/team/pods")["items"] == []
    for path in (PODS, "/api/v1/nodes", "/api/v1/namespaces/team/serviceaccounts"):
        with pytest.raises(Refused) as refused:
            limited.get(path)
        assert refused.value.code == 403


# Fake nodes, watches, history


def test_fake_nodes_take_pods_and_fall_silent(kubernetes_api):
    lab = kubernetes_api
    fake = lab.fake_nodes(20)
    for name in fake.names:
        lab.wait_for_node(name)
    lab.api.create(PODS, pod("big", "none", container={"resources": {"limits": {"nvidia.com/gpu": "4"}}}))
    bound = wait_for("the pod to be bound", lambda: lab.api.get(f"{PODS}/big")["spec"].get("nodeName"))
    fake.play("default", "big", "Running")
    assert phase(lab, "big") == "Running"
    fake.play("default", "big", "Failed", exit_code=7, message="said")
    state = lab.api.get(f"{PODS}/big")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["message"]) == (7, "said")
    fake.silence(bound)
    lab.wait_for_node(bound, ready=False)
    fake.speak(bound)
    lab.wait_for_node(bound)


def test_a_running_pod_of_a_fake_node_is_deleted_when_its_kubelet_would_say_so(kubernetes_api):
    lab = kubernetes_api
    fake = lab.fake_nodes(1, prefix="single", labels={"only": "this"})
    lab.api.create(PODS, pod("going", "none", nodeSelector={"only": "this"}))
    wait_for("the pod to be bound", lambda: lab.api.get(f"{PODS}/going")["spec"].get("nodeName") == "single1")
    fake.play("default", "going", "Running")
    lab.api.delete(f"{PODS}/going")
    assert lab.api.get(f"{PODS}/going")["metadata"]["deletionTimestamp"]
    fake.finish_deletion("default", "going")
    assert lab.api.look(f"{PODS}/going") is None


def test_a_custom_resource_does_not_kill_the_api_server(kubernetes_api):
    """The vendored reflect2 did, at the first one."""
    api = kubernetes_api.api
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
        "metadata": {"name": "things.sust.lab"}, "spec": {
            "group": "sust.lab", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}})
    things = "/apis/sust.lab/v1/namespaces/default/things"
    wait_for("the new resource", lambda: api.look(things))
    body = {"apiVersion": "sust.lab/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"b": 1, "a": {"c": 2}}}
    api.create(things, body)
    assert api.get(f"{things}/a")["spec"] == body["spec"]
    assert kubernetes_api.apiserver.alive


def watch_in_background(api, path, version):
    """(events, the reason why the watch ended), both filled by a thread."""
    events, end = [], []

    def follow():
        try:
            for event in api.watch(path, resourceVersion=version):
                events.append(event)
            end.append("ended")
        except OSError as broken:
            end.append(type(broken).__name__)

    threading.Thread(target=follow, daemon=True).start()
    return events, end


def test_a_cut_wire_breaks_a_watch_that_can_go_on_where_it_was(kubernetes_api):
    lab = kubernetes_api
    path = "/api/v1/namespaces/default/configmaps"
    wire = lab.proxy()
    through = type(lab.api)(wire.server, lab.authority.certificate, lab.credentials.tokens["admin"])
    version = through.get(path)["metadata"]["resourceVersion"]
    events, end = watch_in_background(through, path, version)
    lab.api.create(path, {"metadata": {"name": "one"}})
    wait_for("the first event", lambda: events)
    wire.refuse()
    assert wait_for("the watch to break", lambda: end) != ["ended"]
    lab.api.create(path, {"metadata": {"name": "two"}})
    with pytest.raises(OSError):
        through.get(path)
    wire.mend()
    version = events[-1]["object"]["metadata"]["resourceVersion"]
    later, _ = watch_in_background(through, path, version)
    wait_for("the missed event", lambda: [one["object"]["metadata"]["name"] for one in later] == ["two"])


def test_forgotten_history_is_410_gone(kubernetes_api):
    lab = kubernetes_api
    path = "/api/v1/namespaces/default/configmaps"
    for name in ("page-1", "page-2"):
        lab.api.create(path, {"metadata": {"name": name}})
    page = lab.api.get(path, limit=1)["metadata"]
    lab.forget_history()
    first = next(iter(lab.api.watch(path, resourceVersion=page["resourceVersion"])))
    assert (first["type"], first["object"]["code"]) == ("ERROR", 410)
    with pytest.raises(Refused) as refused:
        lab.api.get(path, limit=1, **{"continue": page["continue"]})
    assert refused.value.code == 410


def test_etcd_that_was_killed_comes_back_with_what_it_had(kubernetes_api):
    lab = kubernetes_api
    path = "/api/v1/namespaces/default/configmaps"
    lab.api.create(path, {"metadata": {"name": "kept"}})
    lab.etcd.restart()
    assert wait_for("the entry", lambda: lab.api.look(f"{path}/kept"))


# What stays


def traces(number, containers):
    """Everything on this machine that bears the lab's number or a name of its containers."""
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True).stdout.splitlines()
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    groups = [group for name in containers for group in Path("/sys/fs/cgroup").glob(f"**/{name}")]
    return [*(line for line in links if line.startswith(f"sustk8s{number}")), *groups,
            *(line for line in mounts if f"{BASE}/{number}/" in line), *BASE.glob(number)]


OWNER = """
import sys
from conftest import wait_for
from labs.kubernetes.api import pod
from labs.kubernetes.images import BUSYBOX
from labs.kubernetes.lab import KubernetesLab
PODS = "/api/v1/namespaces/default/pods"
with KubernetesLab(nodes=1) as lab:
    for name, host in (("own", False), ("shared", True)):
        lab.api.create(PODS, pod(name, BUSYBOX, ["sleep", "600"], hostNetwork=host))
    wait_for("both to run", lambda: [one["status"]["phase"] for one in lab.api.get(PODS)["items"]] == ["Running"] * 2)
    print(lab.place.number, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_nothing_stays_when_a_lab_is_closed_or_its_test_was_killed(as_root, end):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "tests"), "PYTHONDONTWRITEBYTECODE": "1"}
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env=environment)
    number = owner.stdout.readline().strip()
    assert number, "the lab did not start"
    known = [json.loads(file.read_text()) for file in (BASE / number / "run").glob("*.json")]
    state = BASE / number / "node1/run/containerd/io.containerd.runtime.v2.task/k8s.io"
    containers = [task.name for task in state.iterdir()]
    assert len(known) == 7 and all(map(lives, known))
    assert len(containers) == 4 and traces(number, containers)
    ours = (BASE / number / "owner.json").read_text()
    if end == "closed":
        owner.communicate(timeout=60)
    else:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        with registry():  # what the start of the next lab does first
            sweep()
    assert not any(map(lives, known))
    with registry():  # a lab of another test may have taken the number since
        taken = (BASE / number).exists() and (BASE / number / "owner.json").read_text() != ours
        assert traces("none" if taken else number, containers) == []


def test_people_start_ask_and_end_a_lab_with_one_command():
    def lab(*words):
        done = subprocess.run([REPOSITORY / "tools/lab", "kubernetes", *words], capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = lab("up", "--nodes", "0")
    number = said.split()[1].rstrip(":")
    try:
        config = next(line.split("=")[1] for line in said.splitlines() if "export KUBECONFIG=" in line)
        asked = subprocess.run(["kubectl", "get", "namespaces"], env={**os.environ, "KUBECONFIG": config},
                               capture_output=True, text=True)
        assert "kube-system" in asked.stdout, asked.stderr
        assert "apiserver            runs" in lab("status", number)
    finally:
        assert f"lab {number} is gone" in lab("down", number)
    assert not (BASE / number).exists()

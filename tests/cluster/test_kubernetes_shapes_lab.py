"""Shapes of a job on a real API server and real kubelets. Its version has no Indexed Jobs; of the other two the
definitions are a test's own, and so is what makes their pods (labs/kubernetes/schemas.py and pod_maker.py)."""

import os
import signal

import pytest

from cluster.kubernetes_site import Site, load_agent
from cluster.test_kubernetes_shapes import template
from conftest import REPOSITORY, wait_for
from labs.kubernetes import schemas
from labs.kubernetes.pod_maker import PodMaker

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def path_of(shape):
    _, plural, group, version, _ = schemas.CRDS[shape]
    return f"/apis/{group}/{version}/namespaces/default/{plural}"


def count(one):
    spec = one["spec"]
    return spec["leaderWorkerTemplate"]["size"] if "leaderWorkerTemplate" in spec else \
        spec["replicatedJobs"][0]["template"]["spec"]["completions"]


@pytest.fixture(scope="module")
def lab(kubernetes, build, tmp_path_factory):
    load_agent(kubernetes, build, tmp_path_factory.mktemp("agent"))
    return kubernetes


@pytest.fixture(scope="module")
def defined(lab):
    for shape in schemas.CRDS:
        lab.api.create(DEFINITIONS, schemas.crd(shape))
        wait_for(f"{shape} is served", lambda: lab.api.look(path_of(shape)))
    return lab


@pytest.fixture(params=schemas.CRDS)
def shape(request):
    return request.param


@pytest.fixture
def site(defined, shape, sust, tmp_path):
    ranks = shape if shape == "leader_worker_set" else "job"
    with PodMaker(defined.api, path_of(shape), lambda one: template(shape, one), count, ranks):
        site = Site(defined, sust, tmp_path, defined.kubeconfig("admin"), f'shape = "{shape}"')
        wait_for("the nodes are seen", lambda: sust.run("node", "ls", "--backend", "lab", check=False).returncode == 0)
        yield site


def all_gone(site, shape, job):
    site.gone(job)
    mine = {"labelSelector": f"sust/job={job}"}
    wait_for("its object is gone", lambda: not site.lab.api.get(path_of(shape), **mine)["items"], 90)
    site.gone(job)  # nothing was made again meanwhile


def test_a_server_without_indexed_jobs_is_a_clear_refusal(lab, sust, tmp_path):
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin"), 'shape = "indexed_job"')
    line = next(one for one in sust.json("backend", "check", "lab", check=False)["checks"] if one["what"] == "shape")
    assert line["outcome"] == "bad" and "1.20" in line["detail"] and "needs 1.22" in line["detail"], line
    refused = sust.run("job", "submit", site.jobs.file("true"), "--backend", "lab", check=False)
    assert refused.returncode == 2 and "needs 1.22" in refused.stderr and "shape = \"pods\"" in refused.stderr
    job = site.jobs.submit("true", '[options.lab]\nshape = "pods"')
    assert site.jobs.end(job)["end"] == "completed"


def test_a_job_of_two_nodes_runs_once_in_the_pods_of_its_object(site, shape):
    job = site.jobs.submit("echo $SUST_NODE_RANK of $SUST_NODES at $SUST_HEAD_NODE; exit $((SUST_NODE_RANK * 3))",
                           "nodes = 2")
    shown = site.jobs.end(job, 120)
    assert (shown["end"], shown["exit_status"]) == ("failed", 3), shown
    assert site.jobs.out(job).startswith("0 of 2 at 1") and site.jobs.out(job).count("\n") == 1
    assert sorted(shown["attempts"][0]["nodes"]) == ["k1", "k2"]
    all_gone(site, shape, job)


def test_a_running_job_is_cancelled_and_its_controller_starts_nothing_again(site, shape):
    job = site.jobs.submit("trap 'echo asked; exit 3' TERM; echo here; while :; do sleep 0.05; done")
    site.said(job, "here")
    site.sust.run("job", "cancel", job)
    assert site.jobs.end(job, 120)["end"] == "cancelled"
    all_gone(site, shape, job)
    assert [line for line in site.jobs.out(job).splitlines() if line != "Terminated"] == ["here", "asked"]


def test_an_end_that_nobody_saw_is_told_as_it_was(site, shape):
    """A kubelet starts the container of a LeaderWorkerSet again: it waits, with the first run's word and log."""
    job = site.jobs.submit("echo here; sleep 3; echo last; exit 4")
    site.said(job, "here")
    os.kill(site.sust.pid("sustd"), signal.SIGKILL)
    site.sust.run("down", check=False)
    over = "restarted" if shape == "leader_worker_set" else "over"

    def main():
        return (site.pod(job)["status"].get("containerStatuses") or [{}])[0]
    wait_for(f"its container is {over}", lambda: main()["restartCount"] == 1 and "running" in main()["state"]
             if over == "restarted" else "terminated" in main()["state"])
    site.sust.up()
    shown = site.jobs.end(job, 120)
    assert (shown["end"], shown["exit_status"]) == ("failed", 4), shown
    assert site.jobs.out(job) == "here\nlast\n"
    all_gone(site, shape, job)


def test_a_further_attempt_is_a_further_object(site, shape):
    job = site.jobs.submit("echo attempt $SUST_JOB_EPOCH; test $SUST_JOB_EPOCH -ge 2",
                           '[retry]\ncount = 1\non = ["failed"]\nback_off = "0s"')
    assert site.jobs.end(job, 180)["end"] == "completed" and site.jobs.out(job) == "attempt 2\n"
    all_gone(site, shape, job)


def test_a_pod_that_is_evicted_is_preempted_and_not_made_again(site, shape, defined):
    job = site.jobs.submit("echo here; exec sleep 600")
    site.said(job, "here")
    node = site.pod(job)["spec"]["nodeName"]
    drained = site.sust.run("node", "hold", node, "--reason", "loud", "--drain", "--grace", "60s", check=False)
    try:
        shown = site.jobs.end(job, 120)
    finally:
        site.sust.run("node", "release", node)
    assert shown["end"] == "preempted" and drained.returncode == 0, (shown, drained.stderr)
    all_gone(site, shape, job)


def test_the_roles_of_the_manual_are_enough(defined, shape, sust, tmp_path):
    team = "/apis/rbac.authorization.k8s.io/v1/namespaces/team"
    name = "sust-" + shape.replace("_", "-")
    defined.api.delete(f"{team}/rolebindings/member")
    try:
        for file in ("kubernetes-role.yaml", "kubernetes-shapes-role.yaml"):
            text = (REPOSITORY / "docs/operate" / file).read_text().replace("sust-jobs", "team")
            (tmp_path / file).write_text(text)
            defined.kubectl("apply", "-f", tmp_path / file)
        for role in ("sust", name):
            defined.kubectl("create", "rolebinding", f"{role}-limited", "-n", "team", f"--role={role}",
                            "--user=limited")
        site = Site(defined, sust, tmp_path, defined.kubeconfig("limited"), f'shape = "{shape}"', namespace="team")
        bad = [line for line in sust.json("backend", "check", "lab", check=False)["checks"] if line["outcome"] == "bad"]
        assert bad == []
        path = path_of(shape).replace("/default/", "/team/")
        job = site.jobs.submit("true")
        wait_for("its object is taken", lambda: defined.api.get(path)["items"])
        sust.run("job", "cancel", job)
        assert site.jobs.end(job)["end"] == "cancelled"
        wait_for("its object is gone", lambda: not defined.api.get(path)["items"], 90)
        site.gone(job)
    finally:
        for role in ("sust", name):
            defined.kubectl("delete", "rolebinding", f"{role}-limited", "-n", "team", check=False)
        defined.api.create(f"{team}/rolebindings", {
            "metadata": {"name": "member"}, "subjects": [{"kind": "User", "name": "limited"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "member"}})

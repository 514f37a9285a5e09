"""A job as one object whose controller makes the pods: what is sent, and that it is started once."""

import json
import os
import signal

import pytest

from cluster.jobs import Jobs
from conftest import wait_for
from labs.kubernetes import schemas
from labs.kubernetes.played import PlayedApi

pytestmark = pytest.mark.timeout(300)
BATCH = {"batch/v1": ["jobs", "cronjobs"]}
JOB_SET = {"jobset.x-k8s.io/v1alpha2": ["jobsets"]}
LEADER_WORKER_SET = {"leaderworkerset.x-k8s.io/v1": ["leaderworkersets"]}
RESOURCES = {"indexed_job": "jobs", "job_set": "jobsets", "leader_worker_set": "leaderworkersets"}
TWO = "nodes = 2"


def template(shape, one):
    spec = one["spec"]
    if shape == "job_set":
        spec = spec["replicatedJobs"][0]["template"]["spec"]
    return spec["leaderWorkerTemplate"]["workerTemplate"] if shape == "leader_worker_set" else spec["template"]


class Site:
    """sustd on one played API server."""

    def __init__(self, api, sust, folder, shape, text=""):
        self.api, self.sust = api, sust
        (sust.root / "config").mkdir(parents=True, exist_ok=True)
        (sust.root / "config/backends.toml").write_text(
            f'[backend.lab]\ntype = "kubernetes"\nkubeconfig = "{api.kubeconfig(folder / "config.json")}"\n'
            f'agent_image = "lab.local/agent:1"\nimage = "lab.local/base:1"\nshape = "{shape}"\n'
            f'patience = "5s"\nstart_patience = "60s"\n{text}\n')
        sust.up()
        self.jobs = Jobs(sust, folder, "lab")

    def object(self, job, resource, epoch=1):
        name = f"sust-{job}-{epoch}"
        return wait_for(f"the object {name}", lambda: self.api.of(resource).get(name))

    def pods(self, shape, job, nodes=2, epoch=1):
        one = self.object(job, RESOURCES[shape], epoch)
        self.api.make_pods(one["metadata"]["name"], template(shape, one), nodes,
                           shape if shape == "leader_worker_set" else "job")
        return [f"{one['metadata']['name']}-{rank}" for rank in range(nodes)]

    def gone(self, job):
        wait_for(f"nothing is left of {job}", lambda: not [
            name for kind in ("pods", "secrets", *RESOURCES.values()) for name in self.api.of(kind) if job in name])


@pytest.fixture
def played(sust, tmp_path):
    """A function that starts a site on a server of its own."""
    opened = []

    def start(shape, minor=32, apis=None, text=""):
        api = PlayedApi(minor, {**BATCH, **JOB_SET, **LEADER_WORKER_SET} if apis is None else apis).__enter__()
        opened.append(api)
        return Site(api, sust, tmp_path, shape, text)
    yield start
    for api in opened:
        api.__exit__()


@pytest.mark.parametrize("shape", RESOURCES)
def test_a_job_of_two_nodes_is_one_object_and_ends_with_its_pods(played, shape):
    site = played(shape)
    job = site.jobs.submit("true", TWO)
    names = site.pods(shape, job)
    for name in names:
        site.api.run(name)
    wait_for("both are told that they may begin", lambda: all(
        site.api.of("pods")[name]["metadata"]["annotations"].get("sust/head") == "192.0.2.1" for name in names))
    site.jobs.running(job)
    for name in names:
        site.api.end(name, 0)
    shown = site.jobs.end(job)
    assert shown["end"] == "completed" and shown["exit_status"] == 0, shown
    site.gone(job)
    assert len(site.api.made("POST", RESOURCES[shape])) == 1 and not site.api.made("POST", "pods")
    # Without the Secret first and the object next a controller could start the command again.
    order = [path.rsplit("/", 2)[1] for verb, path, _ in site.api.calls if verb == "DELETE" and job in path]
    assert order.index("secrets") < order.index(RESOURCES[shape]) < order.index("pods")
    assert [body["propagationPolicy"] for verb, path, body in site.api.calls
            if verb == "DELETE" and f"/{RESOURCES[shape]}/" in path] == ["Foreground"] * order.count(RESOURCES[shape])


@pytest.mark.parametrize("shape", RESOURCES)
def test_what_is_sent_is_what_the_published_schema_allows(played, shape):
    known = schemas.published()
    site = played(shape, text='queue = "team"\nhost_network = true\n[backend.lab.tolerations]\nhpc = "true"\n'
                  '[backend.lab.node_selector]\nclass = "hpc"\n[backend.lab.volumes]\n"/scratch" = "host"')
    job = site.jobs.submit("true", TWO + '\nmemory = "1GiB"\n[gpus]\ncount = 1\ntype = "h100"\n[labels]\na = "b"')
    one = site.object(job, RESOURCES[shape])
    sent = next(body for verb, path, body in site.api.calls if verb == "POST" and f"/{RESOURCES[shape]}" in path)
    schema = {"indexed_job": schemas.of(schemas.JOB), "job_set": schemas.JOB_SET,
              "leader_worker_set": schemas.LEADER_WORKER_SET}[shape]
    assert schemas.faults(sent, schema, known) == []
    assert one["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    pod = template(shape, sent)
    pod["spec"]["containers"][0]["comand"] = ["true"]  # the check sees what it is to see
    assert "has an unknown comand" in schemas.faults(sent, schema, known)[0]


def test_the_server_decides_what_auto_is_and_is_asked_once_for_all_jobs(played):
    site = played("auto", apis=BATCH)
    for job in [site.jobs.submit("true") for _ in range(5)]:
        site.object(job, "jobs")
    assert len([path for path in site.api.made("GET", "batch/v1") if path == "/apis/batch/v1"]) == 1


@pytest.mark.parametrize("apis, minor, resource", [({**BATCH, **JOB_SET}, 32, "jobsets"), (BATCH, 22, "jobs"),
                                                   ({**BATCH, **LEADER_WORKER_SET}, 20, "pods"), ({}, 32, "pods")])
def test_auto_is_the_best_that_is_there(played, apis, minor, resource):
    site = played("auto", minor, apis)
    site.jobs.submit("true")
    wait_for(f"one of {resource}", lambda: site.api.of(resource))
    assert [kind for kind in ("pods", *RESOURCES.values()) if site.api.of(kind)] == [resource]


def test_a_shape_that_the_server_lacks_is_refused_with_the_next_step(played, sust):
    site = played("pods", 21, BATCH)
    line = wait_for("it is known what is there", lambda: next(
        (one for one in sust.json("backend", "check", "lab")["checks"] if one["what"] == "shape"), None))
    assert line["outcome"] == "good" and line["detail"].startswith("pods; here are pods"), line
    for shape, missing, step in (("job_set", "no jobsets of jobset.x-k8s.io/v1alpha2", "install JobSet"),
                                 ("indexed_job", "Kubernetes 1.21, and a Job of this kind needs 1.22", "1.22 or newer"),
                                 ("gang", "is no shape", "leader_worker_set")):
        refused = sust.run("job", "submit", site.jobs.file("true", f'[options.lab]\nshape = "{shape}"'),
                           "--backend", "lab", check=False)
        assert refused.returncode == 2 and missing in refused.stderr and step in refused.stderr, refused.stderr
    assert not site.api.of("secrets")


def test_a_back_end_whose_shape_is_not_there_says_so_in_its_check(played, sust):
    played("leader_worker_set", 32, BATCH)
    lines = sust.json("backend", "check", "lab", check=False)["checks"]
    line = next(one for one in lines if one["what"] == "shape")
    assert line["outcome"] == "bad" and "no leaderworkersets of leaderworkerset.x-k8s.io/v1" in line["detail"], line
    assert line["hint"].startswith("install LeaderWorkerSet")


def test_a_job_has_its_own_shape_where_it_says_one(played):
    site = played("pods")
    job = site.jobs.submit("true", '[options.lab]\nshape = "indexed_job"')
    assert site.object(job, "jobs")["spec"]["completions"] == 1


def test_an_answer_that_is_lost_and_a_controller_that_is_killed_make_no_second_object(played, sust):
    site = played("job_set")
    site.api.lose = 2  # of the Secret, and of the object that follows
    job = site.jobs.submit("true", TWO)
    site.object(job, "jobsets")
    os.kill(sust.pid("sustd"), signal.SIGKILL)
    sust.run("down", check=False)
    # The choice is kept, too: what the server has by now does not matter.
    text = (sust.root / "config/backends.toml").read_text()
    (sust.root / "config/backends.toml").write_text(text.replace('"job_set"', '"indexed_job"'))
    sust.up()
    wait_for("it waits for its pods", lambda: "has no pods yet" in site.jobs.show(job)["reason"])
    assert len(site.api.of("jobsets")) == 1 and not site.api.of("jobs")
    for name in site.pods("job_set", job):
        site.api.end(name, 0)
    assert site.jobs.end(job)["end"] == "completed"
    site.gone(job)


def test_what_waits_without_pods_says_why_and_is_cancelled_with_its_object(played, sust):
    site = played("indexed_job")
    job = site.jobs.submit("true")
    one = site.object(job, "jobs")
    one["status"] = {"conditions": [{"type": "Suspended", "status": "True", "reason": "JobSuspended",
                                     "message": "no quota"}]}
    site.api.store(f"/apis/batch/v1/namespaces/default/jobs/sust-{job}-1", one)
    wait_for("it says why", lambda: "no quota" in site.jobs.show(job)["reason"])
    sust.run("job", "cancel", job)
    assert site.jobs.end(job)["end"] == "cancelled"
    site.gone(job)


def test_an_object_that_its_controller_gave_up_is_a_start_that_failed(played):
    site = played("indexed_job")
    job = site.jobs.submit("true")
    one = site.object(job, "jobs")
    one["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
    site.api.store(f"/apis/batch/v1/namespaces/default/jobs/sust-{job}-1", one)
    shown = site.jobs.end(job)
    assert shown["end"] == "start_failed" and "BackoffLimitExceeded" in shown["reason"], shown
    site.gone(job)


def test_the_first_pod_that_fails_ends_the_job_and_the_next_attempt_is_another_object(played):
    """Which is made when the earlier one is gone: a finalizer keeps it, as a deletion in foreground does."""
    site = played("indexed_job")
    job = site.jobs.submit("exit 3", TWO + '\n[retry]\ncount = 1\non = ["failed"]\nback_off = "0s"')
    path = f"/apis/batch/v1/namespaces/default/jobs/sust-{job}-1"
    first = site.object(job, "jobs")
    first["metadata"]["finalizers"] = ["foregroundDeletion"]
    site.api.store(path, first)
    bad, other = site.pods("indexed_job", job)
    site.api.run(other)
    site.api.end(bad, 3)
    wait_for("the other is told to end", lambda: "sust/cancel" in site.api.of("pods")[other]["metadata"]["annotations"])
    site.api.end(other, 143)
    wait_for("the next attempt waits", lambda: (shown := site.jobs.show(job))["epoch"] == 2 and
             "earlier attempt" in shown["reason"])
    assert list(site.api.of("jobs")) == [f"sust-{job}-1"]
    site.api.patch(path, {"metadata": {"finalizers": None}})
    for name in site.pods("indexed_job", job, epoch=2):
        site.api.end(name, 0)
    assert site.jobs.end(job)["end"] == "completed"
    site.gone(job)


def test_a_container_that_is_started_again_has_ended_with_its_first_word(played):
    site = played("leader_worker_set")
    job = site.jobs.submit("exit 5")
    name, = site.pods("leader_worker_set", job, nodes=1)
    site.api.run(name)
    site.jobs.running(job)
    site.api.end(name, 5)
    ended = site.api.of("pods").get(name)
    shown = site.jobs.end(job)
    assert (shown["end"], shown["exit_status"]) == ("failed", 5), (shown, ended)
    site.gone(job)
    # Nobody was there to see it before the kubelet had started it again.
    job = site.jobs.submit("exit 6")
    name, = site.pods("leader_worker_set", job, nodes=1)
    word = {"format": 1, "token": job, "epoch": 1, "status": 6, "signal": None, "reason": "exited", "detail": "",
            "started": "2026-01-01T00:00:00.000Z", "finished": "2026-01-01T00:00:01.000Z", "max_rss_bytes": 1,
            "cpu_seconds": 0.0, "leftovers": 0}
    site.api.play(name, state={"running": {"startedAt": "2026-01-01T00:00:05Z"}},
                  lastState={"terminated": {"exitCode": 6, "message": json.dumps(word), "reason": "Error",
                                            "finishedAt": "2026-01-01T00:00:01Z"}})
    shown = site.jobs.end(job)
    assert (shown["end"], shown["exit_status"]) == ("failed", 6), shown
    site.gone(job)


def test_a_site_has_a_shape_of_its_own_and_an_error_in_it_names_its_line(played, sust):
    folder = sust.root / "config/shapes"
    folder.mkdir(parents=True)
    (folder / "gang.toml").write_text(
        'format = 1\nkind = "Job"\ngroup = "batch"\nversion = "v1"\nresource = "jobs"\n'
        "rank = \"metadata.annotations['batch.kubernetes.io/job-completion-index']\"\n"
        '[object.spec]\ncompletionMode = "Indexed"\nbackoffLimit = 0\ncompletions = "${nodes}"\ntemplate = "${pod}"\n')
    site = played("gang")
    job = site.jobs.submit("true")
    one = site.object(job, "jobs")
    assert "parallelism" not in one["spec"]
    for name in site.pods("indexed_job", job, nodes=1):
        site.api.end(name, 0)
    assert site.jobs.end(job)["end"] == "completed"
    site.gone(job)
    sust.run("down")
    (folder / "gang.toml").write_text((folder / "gang.toml").read_text().replace("${pod}", "${pods}"))
    refused = sust.run("up", *sust.settings, check=False)
    assert refused.returncode != 0 and "gang.toml:11:" in refused.stderr, refused.stderr

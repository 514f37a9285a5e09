"""Jobs on a real Kubernetes: what they become, and what neither it nor its failures may do to them."""

import os
import signal

import pytest

from cluster.jobs import Jobs
from cluster.kubernetes_site import PODS, Site, load_agent
from conftest import REPOSITORY, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lab(kubernetes, build, tmp_path_factory):
    load_agent(kubernetes, build, tmp_path_factory.mktemp("agent"))
    return kubernetes


@pytest.fixture
def site(lab, sust, tmp_path):
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin"))
    wait_for("the nodes are seen", lambda: sust.run("node", "ls", "--backend", "lab", check=False).returncode == 0)
    return site


@pytest.fixture
def jobs(site):
    return site.jobs


def test_a_job_runs_in_a_pod_and_ends_with_the_status_of_its_command(site, jobs):
    made = {status: jobs.submit(f"echo on $SUST_NODE_NAME; exit {status}") for status in (0, 7, 255)}
    pod = site.pod(made[7])
    labels = pod["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "sust" and labels["sust/epoch"] == "1"
    assert made[7] in pod["metadata"]["name"] and pod["spec"]["restartPolicy"] == "Never"
    for status, job in made.items():
        shown = jobs.end(job)
        assert shown["end"] == ("failed" if status else "completed") and shown["exit_status"] == status, shown
        assert jobs.out(job).startswith("on k") and shown["attempts"][0]["nodes"][0] in ("k1", "k2")
        site.gone(job)
        assert jobs.out(job).startswith("on k")


def test_what_was_said_and_what_the_image_says_reaches_the_command(site, jobs):
    job = jobs.submit("env; echo not out >&2", '[env]\nODD = "a,b=\'c\' \\"d\\" $HOME"')
    assert jobs.end(job)["end"] == "completed"
    seen = dict(line.split("=", 1) for line in jobs.out(job).splitlines() if "=" in line)
    assert seen["ODD"] == "a,b='c' \"d\" $HOME" and seen["SUST_JOB_TOKEN"] == job
    assert (seen["SUST_RANK"], seen["SUST_WORLD_SIZE"]) == ("0", "1") and seen["SUST_HEAD_NODE"]
    assert "not out" in jobs.out(job)


def test_a_time_limit_and_a_cancellation_go_through_the_stop_ladder(site, jobs):
    script = "trap 'echo asked; exit 3' TERM; echo here; while :; do sleep 0.05; done"
    limited = jobs.submit(script, '[time]\nlimit = "2s"')
    asked = jobs.submit(script)
    site.said(asked, "here")
    jobs.sust.run("job", "cancel", asked)
    for job, end in ((limited, "time_limit"), (asked, "cancelled")):
        assert jobs.end(job)["end"] == end
        assert [line for line in jobs.out(job).splitlines() if line != "Terminated"] == ["here", "asked"]


def test_a_waiting_job_says_why_and_is_cancelled_where_it_waits(site, jobs, lab):
    for node in lab.nodes:
        lab.kubectl("cordon", node.name)
    try:
        job = jobs.submit("true")
        wait_for("it waits", lambda: (shown := jobs.show(job))["state"] == "queued" and "nodes" in shown["reason"])
        jobs.sust.run("job", "cancel", job)
        assert jobs.end(job)["end"] == "cancelled"
        site.gone(job)
    finally:
        for node in lab.nodes:
            lab.kubectl("uncordon", node.name)


def test_somebody_elses_deletion_is_a_cancellation_and_no_failure(site, jobs, lab):
    job = jobs.submit("echo here; exec sleep 600")
    site.said(job, "here")
    lab.api.delete(PODS.format("default") + "/" + site.pod(job)["metadata"]["name"])
    shown = jobs.end(job)
    assert shown["end"] == "cancelled" and "deleted" in shown["reason"], shown


def test_a_deletion_by_force_is_no_lost_node(site, jobs, lab):
    job = jobs.submit("echo here; exec sleep 600")
    site.said(job, "here")
    lab.kubectl("delete", "pod", site.pod(job)["metadata"]["name"], "--grace-period=0", "--force", "--wait=false")
    assert jobs.end(job)["end"] == "cancelled"


def test_a_further_attempt_waits_until_no_pod_of_an_earlier_one_is_there(site, jobs, lab):
    """A finalizer of somebody else keeps the first attempt's pod."""
    job = jobs.submit("echo attempt $SUST_JOB_EPOCH; test $SUST_JOB_EPOCH -ge 2 || { sleep 5; exit 1; }",
                      '[retry]\ncount = 1\non = ["failed"]\nback_off = "1s"')
    path = PODS.format("default") + "/" + site.pod(job)["metadata"]["name"]
    lab.api.patch(path, {"metadata": {"finalizers": ["sust/words", "lab.example/keep"]}})
    wait_for("the next attempt waits", lambda: (shown := jobs.show(job))["epoch"] == 2 and
             "earlier attempt" in shown["reason"])
    assert [pod["metadata"]["labels"]["sust/epoch"] for pod in site.pods(job)] == ["1"]
    lab.api.patch(path, {"metadata": {"finalizers": None}})
    assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "attempt 2\n"


def test_memory_over_its_limit_is_told_as_that(jobs):
    job = jobs.submit("exec tail -c 300m /dev/zero", 'memory = "64MiB"')
    shown = jobs.end(job)
    assert shown["end"] == "out_of_memory", shown


def test_gpus_are_asked_for_by_their_resource(site, jobs, lab):
    lab.give("k1", "nvidia.com/gpu", 2)
    wait_for("the node's GPUs are seen", lambda: any(
        node["gpus"] == 2 for node in jobs.sust.json("node", "ls", "--backend", "lab")), 30)
    job = jobs.submit("echo $SUST_NODE_NAME", "[gpus]\ncount = 2")
    assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "k1\n"


def test_a_job_of_two_nodes_is_two_pods_that_know_their_rank_and_begin_together(site, jobs):
    job = jobs.submit("echo $SUST_RANK of $SUST_WORLD_SIZE, first is $SUST_HEAD_NODE; sleep 2", "nodes = 2")
    pods = wait_for("both pods", lambda: len(found := site.pods(job)) == 2 and found)
    assert [pod["metadata"]["labels"]["sust/rank"] for pod in pods] == ["0", "1"]
    shown = jobs.end(job)
    assert shown["end"] == "completed" and sorted(shown["attempts"][0]["nodes"]) == ["k1", "k2"]
    assert jobs.out(job).startswith("0 of 2, first is 10.")


def test_tasks_of_each_pod_know_their_place_in_the_whole(site, jobs):
    job = jobs.submit("echo $SUST_RANK $SUST_LOCAL_RANK of $SUST_WORLD_SIZE", "nodes = 2\ntasks_per_node = 2")
    assert jobs.end(job)["end"] == "completed"
    assert sorted(jobs.out(job).splitlines()) == ["0 0 of 4", "1 1 of 4"]  # what the first node printed


def test_a_command_hears_of_its_time_limit_before(site, jobs):
    job = jobs.submit("trap 'echo noticed; exit 0' USR1; echo here; while :; do sleep 0.05; done",
                      '[time]\nlimit = "60s"\nnotice = "56s"')
    assert jobs.end(job)["end"] == "completed" and "noticed" in jobs.out(job)


def test_the_first_of_several_pods_that_fails_ends_the_others_and_its_status_is_the_jobs(site, jobs):
    job = jobs.submit("test $SUST_RANK = 0 || exit 6; exec sleep 600", "nodes = 2")
    shown = jobs.end(job)
    assert shown["end"] == "failed" and shown["exit_status"] == 6, shown
    site.gone(job)


def kill_sustd(sust, at_once=lambda: None):
    before = sust.pid("sustd")
    os.kill(before, signal.SIGKILL)
    at_once()
    wait_for("sustd is back", lambda: sust.pid("sustd") != before and
             sust.run("job", "ls", check=False).returncode == 0)


def test_kill_9_of_the_controller_makes_no_second_pod(site, jobs):
    made = [jobs.submit("echo began; sleep 2") for _ in range(4)]
    uids = {}
    for _ in range(2):
        kill_sustd(jobs.sust)
        for job in made:
            uids.setdefault(job, set()).update(pod["metadata"]["uid"] for pod in site.pods(job))
    for job in made:
        assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "began\n"
        assert len(uids[job]) <= 1


def test_a_pod_that_was_made_before_a_crash_is_found_and_not_made_again(lab, sust, tmp_path):
    """The answer to the API server's yes was lost, and the controller with it."""
    wire = lab.proxy()
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin", server=wire.server))
    wait_for("the nodes are seen", lambda: sust.run("node", "ls", "--backend", "lab", check=False).returncode == 0)
    job = site.jobs.submit("echo began; sleep 3")
    uid = site.pod(job)["metadata"]["uid"]
    wire.refuse()
    # As if the answer had never come.
    kill_sustd(sust, lambda: (sust.root / "data/sites/lab" / job / "1/native_id").unlink(missing_ok=True))
    assert not site.jobs.show(job)["final"]
    wire.mend()
    assert [pod["metadata"]["uid"] for pod in site.pods(job)] == [uid]
    assert site.jobs.end(job)["end"] == "completed" and site.jobs.out(job) == "began\n"


def test_a_running_job_does_not_notice_that_the_api_server_is_away(site, jobs, lab):
    job = jobs.submit("echo here; while ! test -e /tmp/go; do sleep 0.1; done; echo done")
    pod = site.said(job, "here") and site.pod(job)["metadata"]["name"]
    lab.apiserver.kill()
    try:
        # The other back end serves on.
        local = Jobs(jobs.sust, jobs.folder).submit("true")
        assert jobs.end(local, within=20)["end"] == "completed"
        # What cannot be known is unknown and neither failed nor completed.
        wait_for("it is told", lambda: jobs.show(job)["state"] == "unknown", 30)
        assert not jobs.show(job)["final"] and jobs.out(job) == "here\n"
    finally:
        lab.apiserver.start()
        lab.wait_for_apiserver()
    wait_for("it is known again", lambda: jobs.show(job)["state"] == "running")
    lab.kubectl("exec", pod, "-c", "main", "--", "touch", "/tmp/go")
    assert jobs.end(job)["end"] == "completed" and jobs.out(job) == "here\ndone\n"


def test_history_that_was_forgotten_loses_no_end(site, jobs, lab):
    """Ends while the API server forgets what it could have told: the next list has it."""
    job = jobs.submit("echo here; sleep 5; exit 4")
    site.said(job, "here")
    lab.forget_history()
    shown = jobs.end(job)
    assert shown["end"] == "failed" and shown["exit_status"] == 4


def test_a_wire_that_is_blocked_for_a_while_loses_nothing(lab, sust, tmp_path):
    wire = lab.proxy()
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin", server=wire.server))
    job = site.jobs.submit("echo here; sleep 4; exit 3")
    site.said(job, "here")
    wire.refuse()
    wait_for("the pod ended meanwhile", lambda: site.pods(job)[0]["status"]["phase"] == "Failed")
    assert not site.jobs.show(job)["final"]
    wire.mend()
    shown = site.jobs.end(job)
    assert shown["exit_status"] == 3 and site.jobs.out(job) == "here\n"


def test_a_lost_node_ends_the_attempt_and_the_next_one_keeps_off_it(site, jobs, lab):
    job = jobs.submit("echo on $SUST_NODE_NAME; test $SUST_JOB_EPOCH -ge 2 || exec sleep 600",
                      '[retry]\ncount = 1\nback_off = "0s"')
    site.said(job, "on k")
    bad = lab.node(site.pod(job)["spec"]["nodeName"])
    bad.lose()
    try:
        shown = jobs.end(job, within=400)
    finally:
        bad.recover()
        lab.wait_for_node(bad.name)
    assert shown["end"] == "completed", shown
    first, second = shown["attempts"]
    assert first["end"] == "node_lost" and first["nodes"] == [bad.name] and second["nodes"] != [bad.name]


def test_a_quota_is_told_and_waited_for(site, jobs, lab):
    quotas = "/api/v1/namespaces/default/resourcequotas"
    lab.api.create(quotas, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
    wait_for("it counts", lambda: "status" in lab.api.get(f"{quotas}/none") and
             "hard" in lab.api.get(f"{quotas}/none")["status"])
    try:
        job = jobs.submit("true")
        wait_for("it is told", lambda: "exceeded quota" in jobs.show(job)["reason"])
        assert not jobs.show(job)["final"]
    finally:
        lab.api.delete(f"{quotas}/none")
    assert jobs.end(job, within=120)["end"] == "completed"


def test_an_image_that_is_not_there_fails_to_start_and_says_why(lab, sust, tmp_path):
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin"),
                '[backend.lab.images]\nodd = "lab.local/no-such-image:1"')
    job = site.jobs.submit("true", 'environment = "odd"')
    shown = site.jobs.end(job, within=120)
    assert shown["end"] == "start_failed" and ("Image" in shown["reason"] or "Pull" in shown["reason"]), shown


@pytest.mark.parametrize("text, named", [
    ('partition = "p"', "no partitions"),
    ("cpus_per_task = 1000", "nodes could have"),
    ("nodes = 3", "nodes could have"),
    ('memory = "900TB"', "nodes could have"),
    ("[gpus]\ncount = 9", "nodes could have"),
    ('environment = "none-such"', "has no image"),
    ('principal = "somebody"', "principals"),
    ('[options.lab]\nhostPID = "true"', "cannot be passed"),
])
def test_what_could_never_run_is_refused_and_not_left_waiting(site, jobs, text, named):
    done = jobs.sust.run("job", "submit", jobs.file("true", text), "--backend", "lab", check=False)
    assert done.returncode == 2 and named in done.stderr, done.stderr
    assert jobs.sust.json("job", "ls") == []


def test_nodes_are_held_with_our_reason_and_others_holds_are_left_alone(site, jobs, lab):
    look = lambda name: next(n for n in jobs.sust.json("node", "ls", "--backend", "lab") if n["name"] == name)
    jobs.sust.run("node", "hold", "k1", "--reason", "fan is loud")
    wait_for("it is seen", lambda: look("k1")["held"])
    assert look("k1")["hold_reason"] == "fan is loud"
    lab.kubectl("cordon", "k2")
    wait_for("it is seen", lambda: "somebody else" in look("k2")["reason"], 30)
    assert jobs.sust.run("node", "release", "k2", check=False).returncode == 5
    assert jobs.sust.run("node", "hold", "k2", "--reason", "x", check=False).returncode == 5
    jobs.sust.run("node", "release", "k1")
    wait_for("it is back", lambda: look("k1")["state"] == "idle", 30)
    assert lab.api.get("/api/v1/nodes/k2")["spec"]["unschedulable"]
    lab.kubectl("uncordon", "k2")


def test_the_check_tells_what_a_site_has_and_proves_the_agents_image(site, jobs):
    good = jobs.sust.json("backend", "check", "lab")
    assert good["good"], good
    said = {line["what"]: line["detail"] for line in good["checks"]}
    assert "v1.20.2" in said["server"] and "sust-agent" in said["agent"] and "quota" in said and "clock" in said
    planned = jobs.sust.json("job", "plan", jobs.file("true"), "--backend", "lab")
    assert "2 of 2 nodes" in planned["placements"][0]["why"]


def test_output_outlives_its_pod_and_offsets_stay_true(site, jobs):
    job = jobs.submit("i=0; while test $i -lt 20000; do echo line $i; i=$((i+1)); done; sleep 1; echo last")
    assert jobs.end(job)["end"] == "completed"
    site.gone(job)
    assert jobs.out(job).splitlines() == [*(f"line {i}" for i in range(20000)), "last"]


def test_thirty_jobs_end_and_leave_nothing(site, jobs):
    made = [jobs.submit(f"exit {i % 2}") for i in range(30)]
    for i, job in enumerate(made):
        assert jobs.end(job, within=240)["end"] == ("failed" if i % 2 else "completed")
    for job in made:
        site.gone(job)


# Who asks, and how they prove it


@pytest.mark.parametrize("proof", ["token-file", "certificate", "exec"])
def test_every_way_to_prove_who_asks_runs_a_job(lab, sust, tmp_path, proof):
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin", proof))
    assert site.jobs.end(site.jobs.submit("true"))["end"] == "completed"


@pytest.mark.parametrize("proof", ["expired", "wrong"])
def test_a_proof_that_is_refused_is_told_and_nothing_is_lost(lab, sust, tmp_path, proof):
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin", proof))
    job = site.jobs.submit("true")
    wait_for("it is told", lambda: "401" in site.jobs.show(job)["reason"] or
             "certificate" in site.jobs.show(job)["reason"], 30)
    assert not site.jobs.show(job)["final"]
    checked = sust.json("backend", "check", "lab", check=False)
    assert not checked["good"] and checked["checks"][0]["what"] == "server"
    sust.run("down")
    (sust.root / "config/backends.toml").write_text((sust.root / "config/backends.toml").read_text().replace(
        f"admin-{proof}", "admin-token"))
    lab.kubeconfig("admin")
    sust.up()
    assert site.jobs.end(job, within=120)["end"] == "completed"


@pytest.mark.parametrize("change, named", [
    (lambda text: text.replace("users:", "users: &u"), "anchors and aliases"),
    (lambda text: text.replace("cluster: lab\n", "cluster: other\n"), "there are: lab"),
    (lambda text: text.replace("kind: Config", "kind: [Config"), "not YAML"),
    (lambda text: text.replace("token:", "tokens:").replace("server: https", "server: ssh"), "must begin with https"),
])
def test_a_bad_kubeconfig_is_told_with_its_line_and_the_others_serve(lab, sust, tmp_path, change, named):
    config = tmp_path / "config.yaml"
    config.write_text(change(lab.kubeconfig("admin").read_text()))
    site = Site(lab, sust, tmp_path, config)
    assert [one["name"] for one in sust.json("backend", "ls")] == ["local"]
    said = sust.run("logs", "sustd").stdout
    assert named in said and f"{config}:" in said
    assert Jobs(sust, tmp_path).end(Jobs(sust, tmp_path).submit("true"))["end"] == "completed"
    assert site.jobs.sust.run("backend", "check", "lab", check=False).returncode == 4


ROLE = REPOSITORY / "docs/operate/kubernetes-role.yaml"


def test_a_user_with_exactly_the_role_of_the_manual_can_do_all_that_jobs_need(lab, sust, tmp_path):
    team = "/apis/rbac.authorization.k8s.io/v1/namespaces/team"
    lab.api.delete(f"{team}/rolebindings/member")
    try:
        text = ROLE.read_text().replace("sust-jobs", "team")
        (tmp_path / "role.yaml").write_text(text)
        lab.kubectl("apply", "-f", tmp_path / "role.yaml")
        lab.kubectl("create", "rolebinding", "sust-limited", "-n", "team", "--role=sust", "--user=limited")
        site = Site(lab, sust, tmp_path, lab.kubeconfig("limited"), namespace="team")
        checked = sust.json("backend", "check", "lab", check=False)
        bad = [line for line in checked["checks"] if line["outcome"] == "bad"]
        assert bad == [], bad
        assert next(line for line in checked["checks"] if line["what"] == "pods/eviction")["outcome"] == "good"
        job = site.jobs.submit("echo here; exit 3")
        shown = site.jobs.end(job)
        assert shown["exit_status"] == 3 and site.jobs.out(job) == "here\n"
        asleep = site.jobs.submit("echo here; exec sleep 600")
        site.said(asleep, "here")
        sust.run("job", "cancel", asleep)
        assert site.jobs.end(asleep)["end"] == "cancelled"
        site.gone(job)
        site.gone(asleep)
    finally:
        lab.kubectl("delete", "rolebinding", "sust-limited", "-n", "team", check=False)
        lab.api.create(f"{team}/rolebindings", {
            "metadata": {"name": "member"}, "subjects": [{"kind": "User", "name": "limited"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "member"}})


def test_a_user_without_rights_is_told_which_are_missing(lab, sust, tmp_path):
    Site(lab, sust, tmp_path, lab.kubeconfig("limited"), 'namespace = "default"')
    checked = sust.json("backend", "check", "lab", check=False)
    said = {line["what"]: line for line in checked["checks"]}
    assert said["pods"]["outcome"] == "bad" and "create" in said["pods"]["detail"]
    assert "docs/operate/kubernetes.md" in said["pods"]["hint"]


def test_a_principal_is_its_service_account(lab, sust, tmp_path):
    lab.api.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "alice"}})
    site = Site(lab, sust, tmp_path, lab.kubeconfig("admin"), '[backend.lab.service_accounts]\nalice = "alice"')
    job = site.jobs.submit("echo here", 'principal = "alice"')
    assert site.pod(job)["spec"]["serviceAccountName"] == "alice"
    assert site.jobs.end(job)["end"] == "completed"
    done = sust.run("job", "submit", site.jobs.file("true", 'principal = "bob"'), "--backend", "lab", check=False)
    assert done.returncode == 2 and "no service account" in done.stderr

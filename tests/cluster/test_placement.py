"""The first path over a real Slurm by placement alone: tune there, serve there, lose what one can lose there."""

import json
import subprocess

import pytest
from cluster.slurm_sites import connect
from conftest import REPOSITORY, wait_for
from labs.slurm import IMPATIENT
from lifecycle.parts import SHORT, Load, Site

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def lab(make_slurm):
    return make_slurm(nodes=2, settings=IMPATIENT)


@pytest.fixture
def site(lab, sust_with_images, tmp_path):
    sust = sust_with_images
    connect(lab, sust, tmp_path, "commands", 'network = "127.0.0.0/8"')
    sust.run("model", "import", REPOSITORY / "models/tiny", "--name", "tiny")
    subprocess.run(["/usr/bin/python3", REPOSITORY / "examples/tickets/make.py", tmp_path], check=True)
    for file, name in (("train", "tickets"), ("known", "known")):
        sust.run("data", "add", tmp_path / f"{file}.jsonl", "--name", name)
    return Site(sust)


def jobs_of(lab, prefix):
    """Slurm's own numbers of our jobs, by name."""
    rows = lab.out("squeue", "--noheader", "--states=all", "--format=%j|%i").splitlines()
    return {name: int(number) for name, number in (row.split("|") for row in rows) if name.startswith(prefix)}


def live_jobs(lab, prefix):
    rows = lab.out("squeue", "--noheader", "--format=%j|%i|%T").splitlines()
    return {name: int(number) for name, number, state in (row.split("|") for row in rows)
            if name.startswith(prefix) and state == "RUNNING"}


def start_run(site, *words):
    settings = [word for name, value in SHORT.items() for word in ("--set", f"{name}={value}")]
    return site.sust.json("tune", "start", "sft-lora", "--base", "tiny", "--data", "tickets", "--eval", "known",
                          "--name", "triage", *settings, *words)["id"]


def apply(site, name="demo", **more):
    spec = site.sust.root / f"{name}.toml"
    lines = {"name": name, "base": "tiny", "replicas": 2} | more
    spec.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
                    + '[[placement]]\nbackend = "lab"\n')
    return site.sust.run("serve", "apply", spec, timeout=400, check=False)


def test_a_run_is_tuned_as_jobs_of_slurm_and_served_by_replicas_there(site, lab):
    run = start_run(site, "--backend", "lab")
    assert site.run(run)["placement"] == {"backend": "lab"}
    shown = site.until_run(run, "the run ends", lambda shown: shown["state"] == "succeeded", 600)
    assert shown["evaluation"]
    # Every stage that has a job was one of Slurm's, and none ran here.
    assert {name.removeprefix(f"{run}-") for name in jobs_of(lab, run)} == {"train", "convert", "evaluate"}
    assert site.jobs("run-") == []

    made = site.sust.json("tune", "start", "to-gguf", "--base", "tiny")["id"]
    site.until_run(made, "the GGUF is made", lambda shown: shown["state"] == "succeeded")
    applied = apply(site, adapters=["triage"])
    assert applied.returncode == 0, applied.stderr
    replicas = site.service()["replicas"]
    assert {replica["backend"] for replica in replicas} == {"lab"}
    # Over TCP, each on a port of its own, although both nodes are one machine here.
    hosts, ports = zip(*(replica["address"].rsplit(":", 1) for replica in replicas))
    assert set(hosts) == {"127.0.0.1"} and len(set(ports)) == 2
    assert set(live_jobs(lab, "rep-")) == {replica["id"] for replica in replicas}

    key = site.new_key()
    assert site.ask(key)
    with Load(site, key) as load:
        victim = replicas[0]["id"]
        lab.run("scancel", str(jobs_of(lab, "rep-")[victim]))
        wait_for("the other one goes on alone", lambda: site.service()["ready"] == 1)
        back = site.until_ready()
        site.kill_and_wait("sustd")
        site.until_ready()
        wait_for("requests after that", lambda n=load.good: load.good > n + 5)
    # A request that was at work on the replica when Slurm ended it can be cut; none waits in vain.
    assert load.good > 10 and len(load.bad) <= 2, load.bad
    assert {replica["id"] for replica in back["replicas"]} == {replica["id"] for replica in replicas}

    site.sust.run("serve", "rm", "demo", "--yes")
    wait_for("nothing is left in Slurm", lambda: not live_jobs(lab, "rep-"))
    wait_for("nothing is left here", lambda: not list((site.sust.root / "data/replicas").iterdir()))


def test_the_relay_of_a_replica_lets_nobody_in_without_its_key(site, lab):
    site.sust.json("tune", "start", "to-gguf", "--base", "tiny")
    wait_for("the GGUF is made", lambda: site.sust.run("model", "show", "tiny/gguf", check=False).returncode == 0, 120)
    assert apply(site, replicas=1).returncode == 0
    replica, = site.service()["replicas"]
    refused = subprocess.run(["curl", "-s", "-m", "10", f"http://{replica['address']}/slots"], capture_output=True)
    assert refused.returncode != 0 and b"[" not in refused.stdout
    # What the node sees of it is the key alone, and only the owner may read it.
    folder = site.sust.root / "data/replicas" / replica["id"]
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    server_secret = (site.sust.root / "data/keys.secret").read_bytes()
    assert server_secret not in (folder / "key").read_bytes()
    key = (folder / "key").read_text().strip()
    for process in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout.splitlines():
        assert key not in process


def test_a_replica_that_waits_in_the_queue_is_not_given_up(site, lab):
    site.sust.json("tune", "start", "to-gguf", "--base", "tiny")
    wait_for("the GGUF is made", lambda: site.sust.run("model", "show", "tiny/gguf", check=False).returncode == 0, 120)
    for node in lab.nodes:
        node.drain("somebody else's work")
    try:
        spec = site.sust.root / "demo.toml"
        spec.write_text('name = "demo"\nbase = "tiny"\nreplicas = 1\n[[placement]]\nbackend = "lab"\n')
        site.sust.run("serve", "apply", spec, "--no-wait")
        wait_for("it says that it waits", lambda: "queued" in site.service()["replicas"][0]["reason"])
        assert site.service()["state"] == "starting"
    finally:
        for node in lab.nodes:
            node.resume()
    assert site.until_ready(1)["replicas"][0]["restarts"] == 0


def test_alternatives_are_taken_in_their_order_and_refusals_are_named(site):
    refused = site.sust.run("tune", "start", "sft-lora", "--base", "tiny", "--data", "tickets", "--backend", "lab",
                            "--partition", "no-such-partition", check=False)
    assert refused.returncode == 2 and "no-such-partition" in refused.stderr
    refused = site.sust.run("tune", "start", "sft-lora", "--base", "tiny", "--data", "tickets", "--backend", "lba",
                            check=False)
    assert refused.returncode != 0 and "lba" in refused.stderr and "lab" in refused.stderr
    run = start_run(site, "--backend", "away", "--backend", "local")
    assert site.run(run)["placement"]["backend"] == "local"

"""A service whose replicas are pods: the engine's environment as their image, the model from a shared volume."""

import json

import pytest
from cluster.kubernetes_site import AGENT, load_agent
from conftest import REPOSITORY, wait_for
from lifecycle.parts import Load, Site

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
ENGINE = "lab.local/llama-cpp:1"


@pytest.fixture(scope="module")
def lab(kubernetes, build, lab_images, make_image, tmp_path_factory):
    load_agent(kubernetes, build, tmp_path_factory.mktemp("agent"))
    kubernetes.load_images([make_image])
    return kubernetes


@pytest.fixture(scope="module")
def make_image(build, lab_images, tmp_path_factory):
    """`sust image export` of the engine's environment, as an archive for the nodes."""
    import subprocess
    archive = tmp_path_factory.mktemp("engine") / "llama-cpp.tar"
    subprocess.run([build / "bin/sust", "--root", lab_images, "image", "export", "llama-cpp", "--oci", archive,
                    "--reference", ENGINE], check=True, timeout=300)
    return archive


@pytest.fixture
def site(lab, sust_with_images):
    sust = sust_with_images
    (sust.root / "config").mkdir(exist_ok=True)
    (sust.root / "config/backends.toml").write_text(
        f'[backend.lab]\ntype = "kubernetes"\nkubeconfig = "{lab.kubeconfig("admin")}"\nagent_image = "{AGENT}"\n'
        'host_network = true\npatience = "5s"\nnode_patience = "3s"\n'
        f'[backend.lab.images]\nllama-cpp = "{ENGINE}"\n'
        f'[backend.lab.volumes]\n"{sust.root}/data" = "host"\n')
    sust.up()
    sust.run("model", "import", REPOSITORY / "models/tiny", "--name", "tiny")
    site = Site(sust)
    made = sust.json("tune", "start", "to-gguf", "--base", "tiny")["id"]
    site.until_run(made, "the GGUF is made", lambda shown: shown["state"] == "succeeded")
    return site


def pods(lab):
    found = lab.api.get("/api/v1/namespaces/default/pods", labelSelector="app.kubernetes.io/managed-by=sust")["items"]
    return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}


def test_replicas_are_pods_that_answer_and_are_replaced_when_they_go(site, lab):
    spec = site.sust.root / "demo.toml"
    spec.write_text('name = "demo"\nbase = "tiny"\nreplicas = 2\n[[placement]]\nbackend = "lab"\n')
    applied = site.sust.run("serve", "apply", spec, timeout=400, check=False)
    assert applied.returncode == 0, applied.stderr + json.dumps(site.service())
    replicas = site.service()["replicas"]
    assert {replica["backend"] for replica in replicas} == {"lab"}
    made = pods(lab)
    assert len(made) == 2 and {pod["spec"]["containers"][0]["image"] for pod in made.values()} == {ENGINE}
    assert all(not replica["address"].startswith("127.") for replica in replicas), replicas

    key = site.new_key()
    assert site.ask(key)
    with Load(site, key) as load:
        victim = replicas[0]["id"]
        name = next(name for name in made if victim in name)
        lab.api.delete(f"/api/v1/namespaces/default/pods/{name}")
        wait_for("it is noticed", lambda: site.service()["ready"] == 1)
        site.until_ready()
        wait_for("requests after that", lambda n=load.good: load.good > n + 5)
    assert load.good > 10 and len(load.bad) <= 2, load.bad

    site.sust.run("serve", "rm", "demo", "--yes")
    wait_for("no pod is left", lambda: not pods(lab), 120)


def test_what_pods_do_not_see_is_refused_with_the_key_that_helps(site):
    file = site.sust.root / "config/backends.toml"
    text = file.read_text()
    file.write_text(text[:text.index("[backend.lab.volumes]")])
    site.sust.run("down")
    site.sust.up()
    spec = site.sust.root / "demo.toml"
    spec.write_text('name = "demo"\nbase = "tiny"\nreplicas = 1\n[[placement]]\nbackend = "lab"\n')
    refused = site.sust.run("serve", "apply", spec, check=False)
    assert refused.returncode == 2 and "[backend.lab.volumes]" in refused.stderr, refused.stderr
    assert site.sust.json("serve", "ls") == []

"""An environment image as container runtimes and registries see it: by skopeo, by tar, under interruption."""

import json
import signal
import subprocess
import tarfile
import time

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture
def sust(sust_with_images):
    return sust_with_images


def skopeo(*words):
    done = subprocess.run(["skopeo", "--insecure-policy", *map(str, words)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_layout_is_an_image_with_the_environments_files(sust, tmp_path):
    told = sust.json("image", "export", "llama-cpp", "--oci", tmp_path / "layout", "--reference", "site/llama-cpp:1")
    inspected = json.loads(skopeo("inspect", f"oci:{tmp_path}/layout:1"))
    assert inspected["Digest"] == told["digest"] and inspected["Os"] == "linux" and len(inspected["Layers"]) == 1
    config = json.loads(skopeo("inspect", "--config", f"oci:{tmp_path}/layout:1"))
    assert config["config"]["Env"][0].startswith("PATH=") and config["rootfs"]["diff_ids"] == inspected["Layers"]
    layer = tmp_path / "layout/blobs" / inspected["Layers"][0].replace(":", "/")
    with tarfile.open(layer) as tar:
        held = {member.name.removeprefix("./").rstrip("/"): member for member in tar}
    (sust.root / "config/environments").mkdir(parents=True, exist_ok=True)
    seen = sust.run("run", "--environment", "llama-cpp", "--", "stat", "-c", "%a %u %s", "/usr/bin/llama-server").stdout
    program = held["usr/bin/llama-server"]
    assert seen.split() == [oct(program.mode)[2:], str(program.uid), str(program.size)]
    assert held["bin"].issym() and {"etc", "usr", "var"} <= set(held)


def test_the_same_image_gives_the_same_digest_and_an_archive_is_the_same_image(sust, tmp_path):
    first = sust.json("image", "export", "llama-cpp", "--oci", tmp_path / "one.tar")
    second = sust.json("image", "export", "llama-cpp", "--oci", tmp_path / "two.tar")
    assert first["digest"] == second["digest"] and first["reference"] == "llama-cpp:latest"
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert json.loads(skopeo("inspect", f"oci-archive:{tmp_path}/one.tar:latest"))["Digest"] == first["digest"]


def test_what_cannot_be_exported_is_named_and_leaves_nothing(sust, tmp_path):
    target = tmp_path / "there"
    target.mkdir()
    assert sust.run("image", "export", "llama-cpp", "--oci", target, check=False).returncode == 5
    assert sust.run("image", "export", "no-such", "--oci", tmp_path / "x", check=False).returncode == 4
    assert sust.run("image", "export", "llama-cpp", "--oci", "/no/such/folder/x", check=False).returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_ctrl_c_leaves_nothing_behind(sust, tmp_path):
    running = subprocess.Popen(sust.argv("image", "export", "trainer", "--oci", tmp_path / "trainer"),
                               env=sust.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(500):
        if list(tmp_path.glob(".sust-export-*/layout/layer.tar")):
            break
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode != 0 and "stopped" in err
    assert list(tmp_path.iterdir()) == []

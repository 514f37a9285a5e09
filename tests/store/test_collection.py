"""What is in use stays, and says who uses it; the rest goes."""

import json
import os
from pathlib import Path

import pytest

from store import parts

pytestmark = pytest.mark.box


def test_a_base_in_use_is_not_removed_and_its_user_is_named(daemon, sust):
    daemon.import_model("tiny", {"model.gguf": parts.gguf(b"weights")})
    daemon.import_model("triage", {"adapter_config.json": b"{}", "adapter_model.safetensors": parts.safetensors(b"a")}, base="tiny")
    refused = sust.run("model", "rm", "tiny", "--yes", check=False)
    assert refused.returncode == 5
    assert "'tiny' is in use by adapter triage" in refused.stderr
    sust.run("model", "rm", "triage", "--yes")
    sust.run("model", "rm", "tiny", "--yes")
    assert sust.json("model", "ls") == []


def test_the_store_outlives_the_database(daemon, sust):
    made = daemon.import_model("tiny", {"model.gguf": parts.gguf(b"weights")})
    daemon.close()
    for file in daemon.root.glob("data/sust.db*"):
        file.unlink()
    daemon.start()
    model, = sust.json("model", "ls")
    assert (model["name"], model["digest"]) == ("tiny", made["digest"])


def test_garbage_is_listed_by_size_and_then_gone(daemon, sust):
    daemon.import_model("kept", {"model.gguf": parts.gguf(b"weights")})
    daemon.import_model("gone", {"model.gguf": parts.gguf(b"x" * 4976), "config.json": b'{"model_type": "any"}'})
    sust.run("model", "rm", "gone", "--yes")
    young = sust.json("gc", "--dry-run")
    assert young["blobs"] == [] and young["young_bytes"] > 5000, "what is young may still get a name"
    assert "too young" in sust.run("gc", "--dry-run").stdout
    garbage = daemon.collect(dry_run=True)["blobs"]
    assert [blob["bytes"] for blob in garbage] == sorted((blob["bytes"] for blob in garbage), reverse=True)
    assert garbage[0]["bytes"] == 5000
    assert garbage[0]["media_type"] == "application/vnd.cncf.model.weight.v1.raw"
    before = daemon.blobs()
    shown = sust.run("gc", "--grace", "0s", "--dry-run").stdout
    assert "could be freed" in shown and "4.9 KiB" in shown and daemon.blobs() == before
    freed = sust.json("gc", "--grace", "0s", "--yes")
    assert before - daemon.blobs() == {blob["digest"].split(":")[1] for blob in freed["blobs"]}
    kept = sust.json("model", "show", "kept")
    for file in kept["files"]:
        parts.Layout(daemon.store).blob(file["digest"])
    assert daemon.collect()["blobs"] == []


def start_ticks(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def hold(daemon, digest, pid, ticks):
    """What `sust run` writes for the process that it becomes."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    root = daemon.store / "roots/mount" / f"{pid}-{ticks}-{boot}"
    root.parent.mkdir(parents=True, exist_ok=True)
    root.write_text(json.dumps({"format": 1, "owner": "a command", "since": "2026-01-01T00:00:00.000Z",
                                "holds": [digest]}))
    return root


def test_what_a_command_runs_in_is_held_until_it_ends(daemon, sust):
    made = daemon.import_model("tiny", {"model.gguf": parts.gguf(b"weights")})
    live = hold(daemon, made["digest"], os.getpid(), start_ticks(os.getpid()))
    assert sust.json("model", "show", "tiny")["used_by"] == ["a command"]
    assert sust.run("model", "rm", "tiny", "--yes", check=False).returncode == 5
    assert daemon.collect()["blobs"] == [] and live.exists()
    live.unlink()
    dead = hold(daemon, made["digest"], os.getpid(), 1)  # another process had this number before
    daemon.collect()
    assert not dead.exists()
    sust.run("model", "rm", "tiny", "--yes")
    assert len(daemon.collect()["blobs"]) == 3


def test_a_root_that_cannot_be_read_stops_the_collection(daemon):
    daemon.import_model("tiny", {"model.gguf": parts.gguf(b"weights")})
    root = daemon.store / "roots/service/demo"
    root.parent.mkdir(parents=True, exist_ok=True)
    root.write_text("half of a fi")
    answer = daemon.call("POST", "/api/v1/gc", {"grace_seconds": 0})
    assert answer.status == 500 and str(root) in answer.error["where"] and answer.error["hint"]
    assert len(daemon.blobs()) == 3


def test_a_name_of_another_kind_is_not_taken(daemon, sust, tmp_path):
    daemon.import_model("tickets", {"model.gguf": parts.gguf(b"weights")})
    data = tmp_path / "train.jsonl"
    data.write_text('{"prompt": "a", "completion": "b"}\n')
    refused = sust.run("data", "add", data, "--name", "tickets", check=False)
    assert refused.returncode == 5
    assert "model" in refused.stderr


@pytest.mark.parametrize("name", ["../escape", "a//b", "UPPER", "tab\there", "x" * 10_000, "sha256-" + "0" * 64])
def test_a_name_that_is_none_is_refused(daemon, name):
    uploaded = daemon.upload("model.gguf", parts.gguf(b"weights"))
    answer = daemon.call("POST", "/api/v1/models", {"name": name, "files": [uploaded]})
    assert answer.status == 400
    assert daemon.call("GET", "/api/v1/models").json["items"] == []


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../b", "", "a\nb"])
def test_a_file_path_that_leaves_the_artifact_is_refused(daemon, path):
    uploaded = daemon.upload("model.gguf", parts.gguf(b"weights"))
    answer = daemon.call("POST", "/api/v1/models", {"name": "tiny", "files": [{**uploaded, "path": path}]})
    assert answer.status == 400
    assert daemon.call("GET", "/api/v1/models").json["items"] == []


def test_a_model_whose_bytes_are_not_here_is_refused(daemon):
    absent = {"path": "model.gguf", "digest": parts.digest_of(b"absent"), "bytes": 6}
    answer = daemon.call("POST", "/api/v1/models", {"name": "tiny", "files": [absent]})
    assert answer.status == 404
    assert answer.error["hint"]

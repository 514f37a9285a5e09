"""What is refused before anything is started."""

import json
import os
import shutil

import pytest
from conftest import REPOSITORY

pytestmark = pytest.mark.box

GOOD = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}


def lines(*examples):
    return "".join((example if isinstance(example, str) else json.dumps(example)) + "\n" for example in examples)


def test_every_bad_line_is_named_and_nothing_is_added(sust, tmp_path):
    file = tmp_path / "bad.jsonl"
    file.write_text(lines(GOOD, "{", GOOD, {"messages": []}, "", {"prompt": "p", "completion": "c"}))
    sust.up()
    done = sust.run("data", "add", file, "--name", "bad", check=False)
    assert done.returncode == 2
    for place in (":2:2: not JSON", ":4: \"messages\" is empty", ":5: empty line", ":6: a completions example"):
        assert f"{file}{place}" in done.stderr
    assert sust.json("data", "ls") == []


def test_the_check_counts_all_errors_as_json(sust, tmp_path):
    file = tmp_path / "bad.jsonl"
    file.write_text(lines(GOOD, *["x"] * 50, GOOD))
    done = sust.run("--json", "data", "check", file, check=False)
    report = json.loads(done.stdout)
    assert (done.returncode, report["problem_count"], report["lines"], report["duplicates"]) == (2, 50, 52, 50)


@pytest.mark.parametrize("content, reason", [
    (b"", "empty"),
    (b"\xff\xfe\n", "not UTF-8"),
    (b"\xef\xbb\xbf{}\n", "byte order mark"),
    (b"[" * 100000 + b"\n", "nested"),
    (b"x" * (2 << 20) + b"\n", "longer than"),
    (b"\x00\x00\n", "not JSON"),
])
def test_files_that_are_no_data_say_why(sust, tmp_path, content, reason):
    file = tmp_path / "data.jsonl"
    file.write_bytes(content)
    done = sust.run("data", "check", file, check=False)
    assert done.returncode == 2
    assert reason in done.stderr


@pytest.mark.parametrize("words, code, said", [
    (["sft-lorra"], 4, "sft-lora"),
    (["sft-lora", "--set", "rnk=8"], 2, "is 'rank' meant?"),
    (["sft-lora", "--set", "rank=1000"], 2, "1 to 256"),
    (["sft-lora", "--set", "rank=many"], 2, "not an integer"),
    (["sft-lora"], 2, "--base"),
    (["sft-lora", "--base", "absent", "--data", "absent"], 4, "absent"),
    (["../sft-lora"], 2, "recipe name"),
])
def test_a_bad_request_starts_nothing_and_says_what_to_change(sust, words, code, said):
    sust.up()
    done = sust.run("tune", "start", *words, "--name", "n", check=False)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert sust.json("tune", "ls") == []
    assert not list((sust.root / "data/runs").glob("*"))


def model_folder(folder):
    """The committed base as a folder of its own."""
    shutil.copytree(REPOSITORY / "models/tiny", folder)
    return folder


@pytest.mark.parametrize("damage, said", [
    (lambda folder: os.truncate(folder / "model.safetensors", 1 << 20), "model.safetensors: cut off"),
    (lambda folder: (folder / "config.json").write_text("{"), "config.json: "),
    (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    (lambda folder: (folder / "more").symlink_to(folder / "data"), "more: a link to a directory"),
    (lambda folder: (folder / "gone").symlink_to("nowhere"), "gone: a link to what is not there"),
    (lambda folder: (folder / "loop").symlink_to("loop"), "loop: a link to what is not there"),
])
def test_a_wrong_or_truncated_model_is_named_before_anything_is_uploaded(sust, tmp_path, damage, said):
    folder = model_folder(tmp_path / "model")
    damage(folder)
    sust.up()
    done = sust.run("model", "import", folder, "--name", "bad", check=False)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert sust.json("model", "ls") == []
    assert list((sust.root / "data/store/blobs/sha256").iterdir()) == []


def test_a_folder_of_links_is_the_model_that_they_point_to(sust, tmp_path):
    """What a Hugging Face cache holds: snapshots of links to files named by their digest."""
    blobs = model_folder(tmp_path / "blobs")
    snapshot = tmp_path / "snapshots/main"
    snapshot.mkdir(parents=True)
    for file in blobs.iterdir():
        if file.is_file():
            (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    sust.up()
    sust.run("model", "import", snapshot, "--name", "linked")
    files = {file["path"] for file in sust.json("model", "show", "linked")["files"]}
    assert {"config.json", "model.safetensors"} <= files

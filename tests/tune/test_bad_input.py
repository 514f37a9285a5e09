"""What is refused before anything is started."""

import json

import pytest

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

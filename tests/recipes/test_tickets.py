"""The quick start's data: reproducible, and fair to judge by."""

import json
import subprocess
import sys

import pytest

import phrases
from conftest import REPOSITORY

SIZES = {"train": 3000, "known": 200, "new": 200}


def make(folder, *options):
    program = REPOSITORY / "examples/tickets/make.py"
    subprocess.run([sys.executable, "-B", program, folder, *options], check=True)
    return {name: (folder / f"{name}.jsonl").read_text() for name in SIZES}


def records(text):
    return [json.loads(line)["messages"] for line in text.splitlines()]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tickets"))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path, made):
    assert make(tmp_path / "again") == made
    assert make(tmp_path / "other", "--seed", "2") != made


def test_sizes_are_as_asked_and_do_not_change_the_training_data(tmp_path, made):
    assert {name: len(records(text)) for name, text in made.items()} == SIZES
    smaller = make(tmp_path, "--known", "5", "--new", "7")
    assert smaller["train"] == made["train"] and len(records(smaller["new"])) == 7


def test_no_ticket_appears_twice(made):
    questions = [messages[0]["content"] for text in made.values() for messages in records(text)]
    assert len(set(questions)) == len(questions)


def test_every_answer_is_json_with_a_known_category_and_priority(made):
    for text in made.values():
        for user, assistant in records(text):
            assert (user["role"], assistant["role"]) == ("user", "assistant")
            answer = json.loads(assistant["content"])
            assert list(answer) == ["category", "priority"]
            assert answer["category"] in phrases.PROBLEMS
            assert answer["priority"] in phrases.PRIORITIES


def test_every_category_and_priority_is_judged(made):
    for text in made.values():
        answers = [json.loads(assistant["content"]) for _, assistant in records(text)]
        assert {a["category"] for a in answers} == set(phrases.PROBLEMS)
        assert {a["priority"] for a in answers} == set(phrases.PRIORITIES)


def test_new_phrasing_shares_no_sentence_with_training():
    def sentences(phrasing):
        return {s for problems in phrases.PROBLEMS.values() for s in problems[phrasing]}

    assert not sentences("known") & sentences("new")


def test_no_sentence_stands_in_two_places():
    for part in ([s for p in phrases.PROBLEMS.values() for each in p.values() for s in each],
                 [s for each in phrases.PRIORITIES.values() for s in each]):
        assert len(set(part)) == len(part)

"""pretrain-tiny as a run: a base model from text that the run itself fetches, fit to be served."""

import json

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500)]


def test_a_base_is_made_from_fetched_text_and_becomes_gguf(tuning):
    sust = tuning.sust
    run = sust.json("tune", "start", "pretrain-tiny", "--name", "small", "--set", "steps=4", "--set", "window=64")["id"]
    made = tuning.end(run)
    assert made["state"] == "succeeded", made["reason"]
    assert {stage["name"] for stage in made["stages"] if stage["state"] == "done"} == {"prepare", "train", "register"}
    # What was fetched is an input of the model like any other, by name and digest.
    lineage = json.dumps(sust.json("model", "lineage", "small"))
    assert "wordnet-base" in lineage and run in lineage

    ended = tuning.end(sust.json("tune", "start", "to-gguf", "--base", "small")["id"])
    assert ended["state"] == "succeeded", ended["reason"]
    assert {"small", "small/gguf"} <= {model["name"] for model in sust.json("model", "ls")}

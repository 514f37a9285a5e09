"""The committed base model: small, whole, and honest about itself."""

import json
import lzma
import struct

import pytest

from conftest import REPOSITORY

TINY = REPOSITORY / "models/tiny"
MIB = 1 << 20


def header():
    with open(TINY / "model.safetensors", "rb") as file:
        [length] = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))


def documents(name):
    with lzma.open(TINY / f"data/{name}.jsonl.xz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_sizes_stay_within_what_a_clone_may_cost():
    assert (TINY / "model.safetensors").stat().st_size <= 8 * MIB
    assert sum(file.stat().st_size for file in (TINY / "data").iterdir()) <= 4 * MIB


def test_weights_are_bf16_and_fit_the_configuration():
    tensors = {name: entry for name, entry in header().items() if name != "__metadata__"}
    config = json.loads((TINY / "config.json").read_text())
    assert {entry["dtype"] for entry in tensors.values()} == {"BF16"}
    assert tensors["model.embed_tokens.weight"]["shape"] == [
        config["vocab_size"], config["hidden_size"]]
    assert len(tensors) == 2 + 9 * config["num_hidden_layers"]
    assert config["tie_word_embeddings"] and "lm_head.weight" not in tensors


def test_the_vocabulary_is_full_and_its_special_tokens_have_the_configured_numbers():
    tokenizer = json.loads((TINY / "tokenizer.json").read_text())
    config = json.loads((TINY / "config.json").read_text())
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    assert len(tokenizer["model"]["vocab"]) == config["vocab_size"]
    assert special["<|im_end|>"] == config["eos_token_id"]
    assert special["<|endoftext|>"] == config["bos_token_id"]


@pytest.mark.parametrize("name", ["replay", "heldout"])
def test_base_text_is_conversations(name):
    for record in documents(name):
        assert [message["role"] for message in record["messages"]] == ["user", "assistant"]


def test_held_out_text_is_not_replayed():
    def answers(name):
        return {record["messages"][1]["content"] for record in documents(name)}

    assert answers("heldout") and not answers("heldout") & answers("replay")


def test_the_card_says_what_it_is_and_every_part_has_a_licence():
    card = (TINY / "README.md").read_text()
    assert "This model writes nonsense" in card and "only shows the mechanism" in card
    for file in ("model.safetensors", "tokenizer.json", "data/replay.jsonl.xz",
                 "data/heldout.jsonl.xz"):
        assert f"`{file}`" in card
    assert "WordNet 3.0 Copyright" in (TINY / "LICENSE").read_text()

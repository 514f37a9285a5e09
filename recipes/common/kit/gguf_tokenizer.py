"""A byte-level BPE tokenizer in GGUF's terms."""

import gguf

from kit.faults import InvalidInput

# Engines know the text-splitting rules in front of BPE only by name.
SMOLLM = ({"type": "Digits", "individual_digits": True},
          {"type": "ByteLevel", "add_prefix_space": False})
GPT2 = ({"type": "ByteLevel", "add_prefix_space": False},)
SPLITTERS = {"smollm": SMOLLM, "gpt-2": GPT2}


def add(writer: gguf.GGUFWriter, tokenizer: dict, config: dict, template: str | None) -> None:
    """Write vocabulary, merges and special tokens."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitter_name(tokenizer))
    _add_vocabulary(writer, tokenizer)
    # Without explicit numbers engines assume those of GPT-2.
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config.get("pad_token_id") or config["eos_token_id"])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    if template:
        writer.add_chat_template(template)


def splitter_name(tokenizer: dict) -> str:
    """Which known rule the pre_tokenizer is; a wrong guess would corrupt every answer."""
    described = tokenizer["pre_tokenizer"]
    steps = described["pretokenizers"] if described["type"] == "Sequence" else [described]
    for name, rule in SPLITTERS.items():
        if len(rule) == len(steps) and all(_agrees(*pair) for pair in zip(rule, steps)):
            return name
    raise InvalidInput(f"tokenizer.json: this pre_tokenizer is none of {', '.join(SPLITTERS)}")


def _agrees(rule, step):
    plain = step["type"] != "ByteLevel" or step.get("use_regex", True)
    return plain and all(step.get(key) == value for key, value in rule.items())


def _add_vocabulary(writer, tokenizer):
    model = tokenizer["model"]
    special = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    by_number = {number: token for token, number in model["vocab"].items()} | special
    numbers = range(len(by_number))
    kinds = gguf.TokenType
    writer.add_token_list([by_number[n] for n in numbers])
    writer.add_token_types([int(kinds.CONTROL if n in special else kinds.NORMAL) for n in numbers])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])

"""Conversations as the model reads them: the base's own template, cut into scored pieces."""

from dataclasses import dataclass
from pathlib import Path

import jinja2.sandbox
from tokenizers import Tokenizer

from kit.faults import InvalidInput
from kit.files import read_json


@dataclass(frozen=True)
class Example:
    """Tokens of one conversation; `scored[i]` says whether token i is to be learned."""

    tokens: list[int]
    scored: list[bool]


class ChatFormat:
    """Tokenizer and chat template of a model directory."""

    def __init__(self, folder: Path):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        described = read_json(folder / "tokenizer_config.json")
        self._special = {name: described.get(name) or "" for name in ("bos_token", "eos_token")}
        self._eos = self._special["eos_token"]
        self._template = _compile(folder, described)

    def render(self, messages: list[dict], prompt: bool = False) -> str:
        """The conversation as text; with `prompt` it ends where an answer would begin."""
        return self._template.render(
            messages=messages, add_generation_prompt=prompt, **self._special)

    def example(self, record: dict) -> Example:
        """A record of the training data: only what the assistant says is scored."""
        if "prompt" in record:
            answer = record["completion"] + self._eos
            return self._joined([(record["prompt"], False), (answer, True)])
        return self._joined(self._pieces(record["messages"]))

    def document(self, record: dict) -> Example:
        """A record of base text: everything is scored."""
        text = record["text"] if "text" in record else self.render(record["messages"])
        return self._joined([(text, True)])

    def _pieces(self, messages):
        """Cut at every answer, as an engine does, which tokenizes the prompt alone."""
        seen = ""
        for i, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt = self.render(messages[:i], prompt=True)
            whole = self.render(messages[:i + 1])
            if not prompt.startswith(seen) or not whole.startswith(prompt):
                raise InvalidInput("the base's chat template does not only append: unsupported")
            yield prompt[len(seen):], False
            end = whole.rfind(self._eos) + len(self._eos) if self._eos in whole else len(whole)
            yield whole[len(prompt):end], True
            seen = whole[:end]

    def _joined(self, pieces) -> Example:
        tokens, scored = [], []
        for text, counts in pieces:
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            tokens += ids
            scored += [counts] * len(ids)
        return Example(tokens, scored)


def _compile(folder: Path, described: dict):
    """The template as a file or inside tokenizer_config.json; it is code of others: sandboxed."""
    file = folder / "chat_template.jinja"
    source = file.read_text(encoding="utf-8") if file.exists() else described.get("chat_template")
    if not source:
        raise InvalidInput(f"{folder} has no chat_template.jinja: add the base's chat template")
    return jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True).from_string(source)

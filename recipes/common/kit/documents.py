"""Base text beside a model: data/NAME.jsonl.xz, one record with "text" or "messages" a line."""

import json
import lzma
from pathlib import Path

import torch

from kit.chat import ChatFormat


def read(path: Path, limit: int = 0) -> list[dict]:
    """The records of a compressed file; with `limit` only the first ones."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    return records[:limit] if limit else records


def write(path: Path, records: list[dict]) -> None:
    """Write records so that the same records give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "wt", encoding="utf-8", preset=9) as file:
        for record in records:
            file.write(json.dumps(record) + "\n")


def stream(records: list[dict], chat: ChatFormat) -> torch.Tensor:
    """All records' tokens, one after the other, as the model saw them in pre-training."""
    tokens = [token for record in records for token in chat.document(record).tokens]
    return torch.tensor(tokens, dtype=torch.long)

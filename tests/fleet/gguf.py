"""LoRA adapters in GGUF made of random numbers: as real to the engine as tuned ones, in no time."""

import random
import struct

TEXT, FLOAT32 = 8, 6
RANK = 4


def _text(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _pad(data):
    return data + bytes(-len(data) % 32)


def write_adapter(path, config, seed):
    """An adapter of the Llama that `config` (its config.json) describes; each seed is another."""
    numbers = random.Random(seed)
    width = config["hidden_size"]
    tensors = []
    for block in range(config["num_hidden_layers"]):
        for name in ("attn_q", "attn_v", "attn_output"):
            tensors.append((f"blk.{block}.{name}.weight.lora_a", (width, RANK)))
            tensors.append((f"blk.{block}.{name}.weight.lora_b", (RANK, width)))
    keys = [("general.architecture", TEXT, "llama"), ("general.type", TEXT, "adapter"),
            ("adapter.type", TEXT, "lora"), ("adapter.lora.alpha", FLOAT32, 2.0 * RANK)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, kind, value in keys:
        head += _text(key) + struct.pack("<I", kind) + (_text(value) if kind == TEXT else struct.pack("<f", value))
    body = b""
    for name, shape in tensors:
        head += _text(name) + struct.pack("<IQQIQ", 2, *shape, 0, len(body))
        count = shape[0] * shape[1]
        body += _pad(struct.pack(f"<{count}f", *(numbers.gauss(0, 0.15) for _ in range(count))))
    path.write_bytes(_pad(head) + body)

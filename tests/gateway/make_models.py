"""Runs in the trainer environment: the tiny base as base.gguf, and adapters of random matrices.

An adapter need not know anything to show that engines never mix it with the base: it must only
answer otherwise. argv: the base's directory, the output directory.
"""

import json
import sys
from pathlib import Path

import numpy as np
from kit import adapter, gguf_adapter, gguf_model
from kit.files import read_json
from safetensors.numpy import save_file

base, out = Path(sys.argv[1]), Path(sys.argv[2])
gguf_model.write(base, out / "base.gguf")
config = read_json(base / "config.json")
width, rank = config["hidden_size"], 4
for seed, name in enumerate(("one", "two")):
    draw = np.random.default_rng(seed)
    folder = out / name
    folder.mkdir()
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        module = f"{adapter.PREFIX}model.layers.{layer}.self_attn.o_proj"
        tensors[f"{module}.lora_A.weight"] = draw.normal(0, 0.5, (rank, width)).astype(np.float32)
        tensors[f"{module}.lora_B.weight"] = draw.normal(0, 0.5, (width, rank)).astype(np.float32)
    save_file(tensors, folder / adapter.TENSORS)
    (folder / adapter.CONFIG).write_text(json.dumps({"lora_alpha": 8, "r": rank, "target_modules": ["o_proj"]}))
    gguf_adapter.write(folder, base, out / f"{name}.gguf")

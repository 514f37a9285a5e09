"""A PEFT LoRA adapter as a GGUF file that an engine loads beside the base."""

from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

from kit import adapter, gguf_layout
from kit.files import read_json
from kit.gguf_model import finish


def write(folder: Path, base: Path, out: Path) -> None:
    """Convert; the same adapter gives the same bytes."""
    config = read_json(base / "config.json")
    writer = gguf.GGUFWriter(str(out), "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    alpha = read_json(folder / adapter.CONFIG)["lora_alpha"]
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(alpha))
    for name, array in sorted(load_file(folder / adapter.TENSORS).items()):
        _add_matrix(writer, name, array, config)
    finish(writer)


def _add_matrix(writer, name, array, config):
    """Only B's rows are outputs of the layer, so only they follow the base's reordering."""
    module, matrix = name.removeprefix(adapter.PREFIX).removesuffix(".weight").rsplit(".", 1)
    heads = gguf_layout.rotated_heads(module, config)
    if heads and matrix == "lora_B":
        array = array[gguf_layout.interleaved(len(array), heads)]
    label = f"{gguf_layout.tensor_name(module)}.{matrix.lower()}"
    writer.add_tensor(label, np.ascontiguousarray(array, dtype=np.float32))

"""A model's weights on disk: safetensors files with Hugging Face's names."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from kit.faults import InvalidInput
from kit.files import read_json
from kit.model import Llama, LlamaConfig


def read(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a model directory, from one file or from several shards."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InvalidInput(f"{folder} has no .safetensors file: is the base a model directory?")
    tensors = {}
    for file in files:
        tensors.update(load_file(file))
    return tensors


def load_llama(folder: Path) -> Llama:
    """The network of a model directory, in fp32 whatever the files hold."""
    model = Llama(LlamaConfig.from_json(read_json(folder / "config.json")))
    tensors = {name: tensor.float() for name, tensor in read(folder).items()}
    if model.config.tied:
        tensors.pop("lm_head.weight", None)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InvalidInput(f"{folder}: the weights do not fit config.json: {error}") from error
    return model

"""An adapter on disk, in PEFT's format."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from kit import lora
from kit.files import read_json, write_json
from kit.lora import LoraLinear

PREFIX = "base_model.model."
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
MATRICES = ("lora_A", "lora_B")


def write(folder: Path, layers: dict[str, LoraLinear], config: dict) -> None:
    """Write both files into `folder`, which the caller publishes."""
    folder.mkdir()
    tensors = {f"{PREFIX}{name}.{matrix}.weight": getattr(layer, matrix).detach().cpu().contiguous()
               for name, layer in layers.items() for matrix in MATRICES}
    save_file(tensors, folder / TENSORS, {"format": "pt"})
    write_json(folder / CONFIG, config)


def describe(rank: int, alpha: float, targets: list[str]) -> dict:
    """PEFT's description; the base's path is left out, since it is only valid in this stage."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "use_rslora": False,
        "use_dora": False,
    }


def attach(folder: Path, model: torch.nn.Module) -> dict[str, LoraLinear]:
    """Load an adapter into a model; returns the wrapped layers."""
    config = read_json(folder / CONFIG)
    layers = lora.attach(model, config["target_modules"], config["r"], config["lora_alpha"])
    tensors = load_file(folder / TENSORS)
    with torch.no_grad():
        for name, layer in layers.items():
            for matrix in MATRICES:
                getattr(layer, matrix).copy_(tensors[f"{PREFIX}{name}.{matrix}.weight"])
    return layers

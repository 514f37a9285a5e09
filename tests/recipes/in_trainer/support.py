"""A base model of a few thousand parameters, and stages run as the controller runs them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import torch
from safetensors.torch import save_file

from kit import documents
from kit.model import Llama, LlamaConfig

REPOSITORY = Path(__file__).resolve().parents[3]
RECIPES = REPOSITORY / "recipes"
TINY = REPOSITORY / "models/tiny"

CONFIG = {
    "model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 2048,
    "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 3,
}
# Quick, and enough steps to stop in the middle.
PARAMETERS = {"epochs": 1, "batch_size": 2, "rank": 2, "replay_windows": 1, "replay_tokens": 16,
              "checkpoint_steps": 4}


def chat(question: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": question},
                         {"role": "assistant", "content": answer}]}


def micro_model(seed: int = 0) -> Llama:
    torch.manual_seed(seed)
    return Llama(LlamaConfig.from_json(CONFIG))


def write_base(folder: Path, **changes) -> Path:
    """A model directory with the tiny model's tokenizer; `changes` go to its configuration."""
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(TINY / name, folder)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    weights = {name: p.detach().bfloat16() for name, p in micro_model().named_parameters()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    words = [chat(f"What is {i}?", f"a number, one more than {i - 1}") for i in range(60)]
    documents.write(folder / "data/replay.jsonl.xz", words[:40])
    documents.write(folder / "data/heldout.jsonl.xz", words[40:])
    return folder


def write_data(path: Path, count: int = 48) -> Path:
    lines = (json.dumps(chat(f"Sort {i}", f"shelf {i % 5}")) for i in range(count))
    path.write_text("\n".join(lines) + "\n")
    return path


class Bench:
    """A base, data, and working directories below a folder; runs stages on them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.base = write_base(folder / "base")
        self.data = write_data(folder / "train.jsonl")

    def work(self, name: str = "work", epoch: int = 1) -> Path:
        """A working directory whose lease names `epoch`."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "lease.json").write_text(json.dumps({"epoch": epoch}))
        return folder

    def start(self, work: Path, program: str, recipe: str = "sft-lora", epoch: int = 1,
              **parameters) -> subprocess.Popen:
        """Start a stage's program; what it says is in a pipe."""
        declared = (RECIPES / recipe / "recipe.toml").read_text()
        given = {k: v for k, v in PARAMETERS.items() if f"[parameters.{k}]" in declared}
        spec = {"format": 1, "run": "run-test", "stage": program.removesuffix(".py"),
                "epoch": epoch, "threads": 1, "parameters": given | parameters,
                "base": str(self.base), "data": str(self.data), "work": str(work),
                "lease": str(work / "lease.json")}
        file = work / f"{spec['stage']}.spec.json"
        file.write_text(json.dumps(spec))
        environment = os.environ | {"SUST_SPEC": str(file),
                                    "PYTHONPATH": f"{RECIPES / recipe}:{RECIPES / 'common'}"}
        return subprocess.Popen([sys.executable, RECIPES / recipe / program], cwd=work, text=True,
                                env=environment, stderr=subprocess.PIPE)

    def run(self, work: Path, program: str, expect: int = 0, **options) -> str:
        """Run to the end; returns what the program said."""
        process = self.start(work, program, **options)
        _, said = process.communicate()
        if process.returncode != expect:
            raise AssertionError(f"{program} ended with {process.returncode}: {said}")
        return said


class StageCase(unittest.TestCase):
    """Each test has a bench of its own, and all tests of a class share another."""

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.shared = Bench(Path(folder))

    def setUp(self):
        self.bench = Bench(Path(self.enterContext(tempfile.TemporaryDirectory())))

    def copy_of(self, work: Path) -> Path:
        """A working directory of the shared bench, to be spoiled by one test."""
        return Path(shutil.copytree(work, self.bench.folder / "copy"))

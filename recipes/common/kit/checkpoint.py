"""Checkpoints of a training run: written aside, fenced by epoch, verified before use.

A checkpoint is a folder `step-00000100` with one safetensors file per group of tensors and
`state.json`, which carries the digest of each file. Randomness and the order of the data are
functions of seed and step (kit/order.py), so the step is their whole state.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from kit import files
from kit.lease import Lease

FORMAT = 1
# One to go on from, and one in case the newest is damaged.
KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """State after `step` finished steps."""

    step: int
    tensors: dict[str, dict[str, torch.Tensor]]


class Checkpoints:
    """The checkpoints of one run. `identity` names the inputs; other inputs' state is not used."""

    def __init__(self, folder: Path, lease: Lease, identity: dict[str, str]):
        self._folder, self._lease, self._identity = folder, lease, identity
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, tensors: dict[str, dict[str, torch.Tensor]]) -> None:
        """Publish the state after `step`, then drop the oldest."""
        final = self._path(step)
        temporary = files.aside(final, self._lease)
        temporary.mkdir()
        for group, members in tensors.items():
            save_file(_on_cpu(members), temporary / f"{group}.safetensors")
        files.write_json(temporary / "state.json", self._state(step, temporary))
        files.publish(temporary, final, self._lease)
        self._drop_old()

    def newest(self) -> Checkpoint | None:
        """The newest valid checkpoint; what is damaged or foreign is named and passed over."""
        self._drop_unfinished()
        for folder in sorted(self._folder.glob("step-*"), reverse=True):
            reason = self._unusable(folder)
            if reason is None:
                return _load(folder)
            print(f"checkpoint {folder.name} is not used: {reason}", file=sys.stderr, flush=True)
        return None

    def _path(self, step):
        return self._folder / f"step-{step:08d}"

    def _state(self, step, folder):
        digests = {file.name: files.sha256(file) for file in sorted(folder.glob("*.safetensors"))}
        return {"format": FORMAT, "step": step, "epoch_of_writer": self._lease.epoch,
                **self._identity, "files": digests}

    def _unusable(self, folder) -> str | None:
        try:
            state = files.read_json(folder / "state.json")
            if state["format"] != FORMAT:
                return f"format {state['format']}"
            for key, value in self._identity.items():
                if state[key] != value:
                    return f"it was made with another {key.removesuffix('_sha256')}"
            for name, digest in state["files"].items():
                if files.sha256(folder / name) != digest:
                    return f"{name} is damaged"
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return f"unreadable ({error})"
        return None

    def _drop_old(self):
        with self._lease.held():
            for folder in sorted(self._folder.glob("step-*"))[:-KEPT]:
                files.remove(folder)

    def _drop_unfinished(self):
        """What ended writers left aside; they can't publish it any more."""
        with self._lease.held():
            for leftover in self._folder.glob(".tmp-*"):
                files.remove(leftover)


def _load(folder) -> Checkpoint:
    tensors = {file.stem: load_file(file) for file in sorted(folder.glob("*.safetensors"))}
    return Checkpoint(files.read_json(folder / "state.json")["step"], tensors)


def _on_cpu(tensors):
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

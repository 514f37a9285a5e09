"""The machine's settings for training, in one place: each is worth a factor of 4 to 90.

Two more belong to the process before it starts and stand in environments/trainer.toml:
OMP_WAIT_POLICY=ACTIVE and OPENBLAS_NUM_THREADS=1.
"""

import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from kit.threads import at_start

# x86 with bf16 arithmetic: oneDNN then multiplies about twice as fast as in fp32. Without it, bf16
# is emulated and slower. On arm64 the CPU's flag does not say that PyTorch has the kernels.
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Compute:
    """Where tensors live and in which precision products are taken."""

    device: torch.device
    reduced: torch.dtype | None

    def autocast(self):
        """The context for forward passes; weights themselves stay fp32."""
        if self.reduced is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.reduced)


def choose(threads: int) -> Compute:
    """Take the GPU if there is one, else the CPU with at most the threads the stage was given."""
    if torch.cuda.is_available():
        return Compute(torch.device("cuda"), torch.bfloat16)
    _warn_about_thread_pools()
    torch.set_num_threads(at_start(threads))
    return Compute(torch.device("cpu"), torch.bfloat16 if cpu_has_bf16() else None)


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bf16 itself."""
    if not cpuinfo.exists():
        return False
    return not BF16_FLAGS.isdisjoint(cpuinfo.read_text(errors="replace").split())


def _warn_about_thread_pools():
    """A process started outside the trainer environment would be slow for no visible reason."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        print("warning: OPENBLAS_NUM_THREADS is not 1: OpenBLAS and OpenMP threads will compete",
              file=sys.stderr)

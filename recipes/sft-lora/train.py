"""Stage `train` of sft-lora: base and data in, <work>/adapter out."""

import torch

from kit import adapter, compute, files, stage, weights
from kit.chat import ChatFormat
from kit.checkpoint import Checkpoints
from kit.faults import InvalidInput
from kit.loop import train
from kit.progress import Progress
from kit.spec import Spec
from kit.threads import Threads

import examples
from replay import Replay
from tuning import Tuning


def main(spec: Spec) -> None:
    """Tune, then publish the adapter."""
    if spec.base is None or spec.data is None:
        raise InvalidInput("sft-lora needs a base and data: give --base and --data")
    stop = stage.StopRequest()
    tuning = prepare(spec)
    checkpoints = Checkpoints(spec.work / "checkpoints", spec.lease, identity(spec))
    progress = Progress(spec.work / "progress.jsonl", spec.stage, tuning.steps)
    train(tuning, tuning.steps, checkpoints, spec.parameters["checkpoint_steps"], progress, stop,
          Threads(spec.threads, torch.get_num_threads()))
    publish_adapter(spec, tuning)


def prepare(spec: Spec) -> Tuning:
    """Check all inputs before the first step."""
    settings = compute.choose(spec.threads)
    chat = ChatFormat(spec.base)
    model = weights.load_llama(spec.base)
    context = model.config.context
    replay = Replay.of(spec.base, spec.parameters, chat, context)
    data = examples.read(spec.data, chat, context)
    return Tuning(model, data, replay, spec.parameters, settings)


def identity(spec: Spec) -> dict[str, str]:
    """What a checkpoint must have been made from to be of use here."""
    base = {file.name: files.sha256(file) for file in spec.base.glob("*.safetensors")}
    return {"parameters_sha256": files.sha256_of(spec.parameters),
            "data_sha256": files.sha256(spec.data),
            "base_sha256": files.sha256_of(base)}


def publish_adapter(spec: Spec, tuning: Tuning) -> None:
    """Write the adapter aside and give it its name under the lease."""
    final = spec.work / "adapter"
    temporary = files.aside(final, spec.lease)
    described = adapter.describe(spec.parameters["rank"], spec.parameters["alpha"], tuning.targets)
    adapter.write(temporary, tuning.layers, described)
    files.publish(temporary, final, spec.lease)


if __name__ == "__main__":
    stage.run(main)

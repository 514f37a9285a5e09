"""Stage `convert` of sft-lora: <work>/gguf/base.gguf and <work>/gguf/adapter.gguf, for engines."""

from kit import files, gguf_adapter, gguf_model, stage
from kit.faults import InvalidInput
from kit.spec import Spec


def main(spec: Spec) -> None:
    """Convert both; the base too, so that engine and adapter always fit."""
    adapter = spec.work / "adapter"
    if not adapter.is_dir():
        raise InvalidInput(f"{adapter} is not there: the stage train has to end first")
    base_out = spec.work / "gguf" / "base.gguf"
    temporary = files.aside(base_out, spec.lease)
    gguf_model.write(spec.base, temporary)
    files.publish(temporary, base_out, spec.lease)
    adapter_out = spec.work / "gguf" / "adapter.gguf"
    temporary = files.aside(adapter_out, spec.lease)
    gguf_adapter.write(adapter, spec.base, temporary)
    files.publish(temporary, adapter_out, spec.lease)


if __name__ == "__main__":
    stage.run(main)

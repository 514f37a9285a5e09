"""Stage `convert` of to-gguf: <work>/gguf/base.gguf."""

from kit import files, gguf_model, stage
from kit.faults import InvalidInput
from kit.spec import Spec


def main(spec: Spec) -> None:
    """Convert the base and publish the file."""
    if spec.base is None:
        raise InvalidInput("to-gguf needs a base: give --base")
    final = spec.work / "gguf" / "base.gguf"
    temporary = files.aside(final, spec.lease)
    gguf_model.write(spec.base, temporary)
    files.publish(temporary, final, spec.lease)


if __name__ == "__main__":
    stage.run(main)

"""What one stage was asked to do. Every path comes from here, so tests may choose other ones."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from kit import parameters
from kit.faults import InvalidInput
from kit.lease import Lease

FORMAT = 1


@dataclass(frozen=True)
class Spec:
    """The stage's specification; `parameters` is complete and within the recipe's ranges."""

    stage: str
    threads: int
    parameters: dict
    work: Path
    lease: Lease
    base: Path | None
    data: Path | None

    @staticmethod
    def load(environment) -> "Spec":
        """Read the file that SUST_SPEC names; the recipe lies beside the running program."""
        path = environment.get("SUST_SPEC")
        if not path:
            raise InvalidInput("SUST_SPEC is not set: start this through `sust tune start`")
        recipe = Path(sys.argv[0]).resolve().parent / "recipe.toml"
        return Spec.parse(_read(Path(path)), recipe)

    @staticmethod
    def parse(raw: dict, recipe: Path) -> "Spec":
        """Check the format and the parameters; nothing is defaulted but the parameters."""
        if raw.get("format") != FORMAT:
            raise InvalidInput(f"spec format {raw.get('format')!r}; this program reads {FORMAT}")
        missing = {"stage", "threads", "epoch", "work", "lease"} - set(raw)
        if missing:
            raise InvalidInput(f"the spec lacks {', '.join(sorted(missing))}")
        return Spec(
            stage=raw["stage"],
            threads=max(1, raw["threads"]),
            parameters=parameters.resolve(recipe, raw.get("parameters", {})),
            work=Path(raw["work"]),
            lease=Lease(Path(raw["lease"]), raw["epoch"]),
            base=Path(raw["base"]) if raw.get("base") else None,
            data=Path(raw["data"]) if raw.get("data") else None,
        )


def _read(path: Path) -> dict:
    """Parse the file, or say what is wrong with it."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"can't read the spec {path}: {error}") from error

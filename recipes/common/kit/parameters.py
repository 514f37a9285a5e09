"""A recipe's parameters, checked against recipe.toml, the one place with defaults and ranges."""

import tomllib
from pathlib import Path

from kit.faults import InvalidInput

TYPES = {"integer": int, "number": (int, float), "string": str, "boolean": bool}


def resolve(recipe: Path, given: dict) -> dict:
    """Every parameter of the recipe: the given value, or the default. Numbers become floats."""
    declared = tomllib.loads(recipe.read_text())["parameters"]
    unknown = sorted(set(given) - set(declared))
    if unknown:
        known = ", ".join(sorted(declared))
        raise InvalidInput(f"unknown parameter {unknown[0]!r}; the recipe has: {known}")
    return {name: _checked(name, rule, given.get(name, rule["default"]))
            for name, rule in declared.items()}


def _checked(name, rule, value):
    """Refuse a value of the wrong type or out of range, with the recipe's own reason."""
    wanted = rule["type"]
    is_flag = isinstance(value, bool)
    if not isinstance(value, TYPES[wanted]) or is_flag != (wanted == "boolean"):
        raise InvalidInput(f"parameter {name}: {value!r} is not of type {wanted}")
    if "choices" in rule and value not in rule["choices"]:
        raise InvalidInput(f"parameter {name}: {value!r} is none of {rule['choices']}")
    low, high = rule.get("min", value), rule.get("max", value)
    if not low <= value <= high:
        raise InvalidInput(
            f"parameter {name}: {value} is outside {low} to {high}; {rule['reason']}")
    return float(value) if wanted == "number" else value

"""Every recipe.toml is whole: what the controller and the programs rely on."""

import tomllib
from pathlib import Path

import pytest

from conftest import REPOSITORY
from kit import parameters

ORDER = ["prepare", "train", "convert", "evaluate", "register"]
RECIPES = sorted((REPOSITORY / "recipes").glob("*/recipe.toml"))
KEYS = {"type", "default", "min", "max", "choices", "unit", "reason"}


def load(path: Path) -> dict:
    return tomllib.loads(path.read_text())


@pytest.fixture(params=RECIPES, ids=lambda path: path.parent.name)
def recipe(request) -> Path:
    return request.param


def test_a_recipe_is_called_like_its_folder_and_says_what_it_takes(recipe):
    described = load(recipe)
    assert described["name"] == recipe.parent.name
    assert described["summary"] and described["version"]
    assert set(described["takes"]) <= {"base", "data"}
    assert described["produces"] in ("adapter", "model", "gguf")


def test_stages_stand_in_order_and_start_programs_that_exist(recipe):
    stages = load(recipe)["stages"]
    places = [ORDER.index(stage["name"]) for stage in stages]
    assert places == sorted(set(places)) and places[0] == 0 and places[-1] == len(ORDER) - 1
    for stage in stages:
        own = stage["name"] in ("prepare", "register")
        assert own == ("command" not in stage)
        for word in stage.get("command", [])[1:]:
            assert (recipe.parent / Path(word).relative_to("/sust/recipe")).is_file()


def test_its_environment_ships_and_names_an_image_that_ships(recipe):
    environment = REPOSITORY / "environments" / f"{load(recipe)['environment']}.toml"
    image = REPOSITORY / "images" / f"{load(environment)['image']}.toml"
    assert load(image)["name"] == load(environment)["image"]


def test_every_parameter_has_a_reason_and_a_default_within_its_range(recipe):
    declared = load(recipe)["parameters"]
    resolved = parameters.resolve(recipe, {})
    assert resolved == {name: rule["default"] for name, rule in declared.items()}
    for rule in declared.values():
        assert rule["reason"] and set(rule) <= KEYS
        assert rule["type"] != "integer" or rule["min"] <= rule["max"]


def test_ends_of_numeric_ranges_have_the_parameters_type(recipe):
    for name, rule in load(recipe)["parameters"].items():
        ends = [rule[key] for key in ("default", "min", "max") if key in rule]
        wanted = {"integer": int, "number": float}.get(rule["type"])
        assert wanted is None or all(type(end) is wanted for end in ends), name


def test_replay_is_on_and_forgetting_is_bounded_unless_asked_otherwise():
    resolved = parameters.resolve(REPOSITORY / "recipes/sft-lora/recipe.toml", {})
    assert resolved["replay_windows"] > 0 and resolved["max_perplexity_growth"] <= 0.05

"""A wrong parameter is refused in words that say what to do."""

import pytest

from kit import parameters
from kit.faults import InvalidInput

RECIPE = """
[parameters.rank]
type = "integer"
default = 16
min = 1
max = 256
reason = "because"
[parameters.rate]
type = "number"
default = 0.5
min = 0.1
max = 1.0
reason = "because"
[parameters.order]
type = "string"
default = "up"
choices = ["up", "down"]
reason = "because"
[parameters.quick]
type = "boolean"
default = false
reason = "because"
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.parametrize("given, words", [
    ({"rnak": 1}, "unknown parameter 'rnak'"),
    ({"rank": 0}, "outside 1 to 256; because"),
    ({"rank": 257}, "outside 1 to 256; because"),
    ({"rank": 1.5}, "not of type integer"),
    ({"rank": True}, "not of type integer"),
    ({"rank": "16"}, "not of type integer"),
    ({"rate": float("nan")}, "outside 0.1 to 1.0"),
    ({"order": "left"}, "none of ['up', 'down']"),
    ({"quick": 1}, "not of type boolean"),
])
def test_a_wrong_value_is_refused_with_its_reason(recipe, given, words):
    with pytest.raises(InvalidInput) as caught:
        parameters.resolve(recipe, given)
    assert words in str(caught.value)


def test_whole_numbers_are_numbers_too(recipe):
    resolved = parameters.resolve(recipe, {"rate": 1, "quick": True})
    assert resolved == {"rank": 16, "rate": 1.0, "order": "up", "quick": True}
    assert isinstance(resolved["rate"], float)

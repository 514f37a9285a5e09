"""Who may know whom: the includes of src/ against the table in ARCHITECTURE.md."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+)/', re.M)


def allowed():
    """{module: modules it may include}, from rows like '| `env` | sentence | core, store |'."""
    table = {}
    text = (REPOSITORY / "ARCHITECTURE.md").read_text()
    for row in re.findall(r"^\| `([a-z]+)(?:/\*)?` \|[^|]*\|([^|]*)\|", text, re.M):
        name, may_know = row
        table[name] = {word.strip() for word in may_know.split(",") if word.strip() not in ("", "-")}
    return table


def edges(folder):
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".h", ".cpp"):
            for module in INCLUDE.findall(file.read_text()):
                yield file.relative_to(SOURCE), module


def violations(table):
    found = []
    for module in sorted(path.name for path in SOURCE.iterdir() if path.is_dir()):
        may_know = table.get(module, set())
        for file, other in edges(SOURCE / module):
            if other != module and "all" not in may_know and other not in may_know:
                found.append(f"{file} includes {other}/, which {module} may not know")
    return found


def test_every_module_is_in_the_table():
    modules = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert modules == set(allowed()), "ARCHITECTURE.md's table and the folders of src/ differ"


def test_includes_follow_the_table():
    assert violations(allowed()) == []


def test_the_check_sees_a_forbidden_include():
    table = {name: set() for name in allowed()}
    assert violations(table), "with nothing allowed, something must be found"


@pytest.mark.parametrize("word", ["getenv(", "system_clock::now", "steady_clock::now", "std::time("])
def test_only_apps_and_the_clock_ask_the_process_for_environment_and_time(word):
    found = [str(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.cpp")
             if word in file.read_text() and not file.is_relative_to(SOURCE / "apps")
             and file.name != "clock.cpp" and not file.stem.endswith("_test")]
    assert found == [], f"{word} belongs to main; take a clock or a value as a parameter"

"""Format, text rules and header self-containment of every source file."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def tracked(*patterns):
    out = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
                         capture_output=True, text=True, check=True).stdout
    return [REPOSITORY / line for line in out.splitlines() if (REPOSITORY / line).exists()]


def test_sources_have_the_one_format():
    files = [str(file) for file in tracked("*.h", "*.cpp")]
    done = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], capture_output=True, text=True)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    assert wrong == [], "clang-format-14 -i these files"


def test_text_files_have_no_trailing_blanks_or_tabs():
    found = []
    for file in tracked("*.h", "*.cpp", "*.py", "*.md", "*.toml", "*.cmake", "CMakeLists.txt", "tools/*"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if line != line.rstrip() or "\t" in line:
                found.append(f"{file.relative_to(REPOSITORY)}:{number}")
    assert found == []


def test_nothing_is_left_for_later():
    """Words that mark what was not built; an issue is the place for a plan."""
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
    found = [f"{file.relative_to(REPOSITORY)}:{number}" for file in tracked("*.h", "*.cpp", "*.py", "*.toml", "tools/*")
             for number, line in enumerate(file.read_text().splitlines(), 1) if marks.search(line)]
    assert found == []


def test_every_header_compiles_alone_and_is_light():
    # A test program's own helpers (test_*.h) need what its build defines, and nobody else includes them.
    headers = [file for file in tracked("src/*.h") if not file.name.startswith("test_")]
    heavy = re.compile(r"#include <(boost/|nlohmann/json\.hpp|CLI/|toml\+\+|simdjson)")

    def compile_alone(header):
        environment = {**os.environ, "CCACHE_BASEDIR": str(REPOSITORY)}
        done = subprocess.run(["g++", "-std=c++20", "-fsyntax-only", "-x", "c++", "-DBOOST_ASIO_NO_DEPRECATED",
                               f"-I{REPOSITORY / 'src'}", str(header)], capture_output=True, text=True, env=environment)
        return f"{header.relative_to(REPOSITORY)}: {done.stderr[:400]}" if done.returncode else None

    # What a module's own sources share and no header includes: names of Asio, how words become JSON.
    internal = {"io.h", "word_json.h"}
    assert [str(h) for h in headers if h.name not in internal and heavy.search(h.read_text())] == []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert [trouble for trouble in pool.map(compile_alone, headers) if trouble] == []

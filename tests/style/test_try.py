"""TRY and the braces it must not stand in.

A return out of a statement expression inside a braced list or a lambda's captures leaks what the
list has built before it (g++ 12 and clang 14 both); the value has to be named first.
"""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NOISE = re.compile(r'//[^\n]*|R"\w*\(.*?\)\w*"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
# What stands before a brace that opens a body; before any other brace stands a type or a list.
BODY = re.compile(r"(?:[;{}]|\)|\b(?:else|do|try|const|noexcept|override|final|mutable)|->[^;{}()]*|"
                  r"\b(?:struct|class|enum|namespace|union)\b[^;{}()]*)\s*$|^\s*$")


def blanked(text):
    """The text with comments and literals made blank, line by line as long as before."""
    return NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def opens_list(text, place, in_list):
    if text[place] == "{" and in_list and text[:place].rstrip().endswith("{"):
        return True
    if text[place] == "[":
        return not re.search(r"[\w\])]\s*$", text[max(0, place - 40):place])
    before = text[max(0, place - 200):place]
    return text[place] == "{" and not BODY.search(before)


def leaking(text):
    """Lines of a TRY in a braced list or in captures, after another member of it."""
    text = blanked(text)
    open_brackets = []  # [bracket, is a list, has a member already]
    for match in re.finditer(r"[()\[\]{},]|\bTRY\(", text):
        word = match[0]
        if word == "TRY(":
            for bracket, is_list, has_member in reversed(open_brackets):
                if is_list and has_member:
                    yield text.count("\n", 0, match.start()) + 1
                    break
                if bracket == "{" and not is_list:
                    break
            open_brackets.append(["(", False, False])
        elif word in "([{":
            in_list = bool(open_brackets) and open_brackets[-1][1]
            open_brackets.append([word, opens_list(text, match.start(), in_list), False])
        elif word == ",":
            if open_brackets:
                open_brackets[-1][2] = True
        elif open_brackets:
            open_brackets.pop()


def test_the_check_sees_what_leaks():
    assert list(leaking("auto f() {\n  return A{.a = b,\n .c = TRY(d())};\n}")) == [3]
    assert list(leaking("auto f() {\n  go([a = b, c = TRY(d())] { return c; });\n}")) == [2]
    assert list(leaking("auto f() {\n  v.push_back({a, g(TRY(d()))});\n}")) == [2]
    assert list(leaking("auto f() {\n  const J j = {{K, TRY(d())}};\n}")) == [2]
    assert list(leaking("auto f() {\n  return A{.c = TRY(d())};\n}")) == []
    assert list(leaking("auto f() {\n  go(a, [b] { return TRY(d()); });\n  x[TRY(e())] = 1;\n}")) == []


def test_no_try_leaks_the_members_before_it():
    found = [f"{file.relative_to(REPOSITORY)}:{line}"
             for file in sorted((REPOSITORY / "src").rglob("*"))
             if file.suffix in (".h", ".cpp")
             for line in leaking(file.read_text())]
    assert found == [], "name the value before the braces: what they had built leaks when TRY returns"

"""Help, errors, completion and manual: what needs no sustd."""

import json
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.box

VERBS = ["up", "down", "status", "config show", "logs", "image build", "image ls", "image show", "image rm", "run",
         "data add", "data check", "data show", "data ls", "data rm", "model import", "model ls", "model show", "model lineage",
         "model rm", "recipe ls", "recipe show", "tune start", "tune ls", "tune show", "tune logs", "tune cancel",
         "tune resume", "tune rm", "eval run", "serve apply", "serve ls", "serve show", "serve logs", "serve scale", "serve rm",
         "job submit", "job plan", "job ls", "job show", "job logs", "job wait", "job cancel", "job rm",
         "node ls", "node show", "node hold", "node release", "backend ls", "backend check",
         "key create", "key ls", "key revoke", "chat", "gc", "completion"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_usage_and_an_example(sust, verb):
    page = sust.run(*verb.split(), "--help").stdout
    assert f"usage: sust {verb}" in page
    assert "examples:" in page
    assert "--json" in page


def test_the_front_page_lists_every_verb_with_a_sentence(sust):
    page = sust.run("--help").stdout
    for verb in VERBS:
        assert re.search(rf"^  {verb} +\S", page, re.M), verb
    assert "internal" not in page


@pytest.mark.parametrize("words, fault, named", [
    (["modle", "ls"], 2, "model"),
    (["model", "lss"], 2, "'ls'"),
    (["tune", "start"], 2, "RECIPE"),
    (["data", "add", "x.jsonl"], 2, "--name"),
    (["model", "ls", "--jsn"], 2, "--help"),
    (["data", "check", "/no/such/file"], 4, "/no/such/file"),
    (["run", "--environment", "absent", "--", "true"], 125, "absent"),
    (["--config", "gateway.lisen=x", "config", "show"], 2, "gateway.listen"),
])
def test_wrong_words_are_named_with_the_next_step(sust, words, fault, named):
    done = sust.run(*words, check=False)
    assert done.returncode == fault, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr and "terminate" not in done.stderr


def test_errors_come_as_json_when_asked(sust):
    done = sust.run("--json", "model", "ls", check=False)
    error = json.loads(done.stderr)["error"]
    assert error["fault"] == "unavailable" and "sust" in error["hint"] and "up" in error["hint"]
    assert done.returncode == 6


def test_settings_say_where_they_come_from(sust):
    (sust.root / "config").mkdir(parents=True)
    (sust.root / "config/settings.toml").write_text("[log]\nfiles = 7\n")
    settings = {item["key"]: item for item in sust.json("config", "show", env={
        **sust.environment, "SUST_GATEWAY_THREADS": "3"})}
    assert settings["log.files"]["value"] == "7" and "settings.toml:2" in settings["log.files"]["source"]
    assert settings["gateway.threads"]["source"] == "SUST_GATEWAY_THREADS"
    assert settings["log.level"]["source"] == "default"


def test_an_unknown_setting_in_a_file_is_named_with_its_place(sust):
    (sust.root / "config").mkdir(parents=True)
    (sust.root / "config/settings.toml").write_text("[log]\nfile = 7\n")
    done = sust.run("config", "show", check=False)
    assert done.returncode == 2 and "settings.toml:2:1" in done.stderr and "files" in done.stderr


@pytest.mark.parametrize("words, offered", [
    (["tune", "st"], {"start"}),
    (["mod"], {"model"}),
    (["model", ""], {"import", "ls", "show", "lineage", "rm"}),
    (["tune", "start", "--fo"], {"--follow"}),
    (["logs", "s"], {"sustd"}),
])
def test_completion_offers_the_next_word(sust, words, offered):
    assert set(sust.run("internal-complete", "--", *words).stdout.split()) == offered


@pytest.mark.parametrize("shell, check", [
    ("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])])
def test_completion_scripts_are_accepted_by_their_shells(sust, tmp_path, shell, check):
    script = tmp_path / "script"
    script.write_text(sust.run("completion", shell).stdout)
    assert shutil.which(shell), f"{shell} is installed by tools/setup --tests"
    subprocess.run([*check, script], check=True)


def test_bash_completes_through_the_script(sust, build, tmp_path):
    script = tmp_path / "script"
    script.write_text(sust.run("completion", "bash").stdout)
    asked = ('. "$1"; COMP_WORDS=(sust model li); COMP_CWORD=2; _sust; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", asked, "bash", script], capture_output=True, text=True, check=True,
                          env={**sust.environment, "PATH": f"{build}/bin:/usr/bin:/bin"})
    assert done.stdout.split() == ["lineage"]


def test_the_manual_page_renders_without_complaint(sust, tmp_path):
    page = tmp_path / "sust.1"
    page.write_text(sust.run("manual").stdout)
    done = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True,
                          env={**sust.environment, "MANWIDTH": "100", "MAN_KEEP_FORMATTING": ""})
    assert done.returncode == 0 and "tune start" in done.stdout and done.stderr == ""

"""What people read of a service: the conversation, the logs, the tables."""

import json
import os
import pty
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]  # a follower that hears nothing waits for ever


@pytest.fixture
def served(service):
    service.adapter("one", 1)
    service.apply(adapters=["one"])
    return service


def ask_both(service):
    """Engines log requests: so many at once that each of the two replicas gets some."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.ask("one", "What is a river?"), range(8)))
    assert {status for status, _ in answers} == {200}


def talk(service, *words, said, check=True):
    done = subprocess.run(service.sust.argv(*words), input=said, capture_output=True, text=True, timeout=120,
                          env=service.sust.environment)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_each_line_of_a_pipe_is_a_question_and_the_answers_are_the_models(served):
    told = talk(served, "chat", "one", "--max-tokens", "8", said="What is a river?\n\nDefine the word stone.\n")
    assert len(told.stdout.splitlines()) >= 2 and told.stderr == ""
    lines = talk(served, "--json", "chat", "one", "--max-tokens", "8", said="What is a river?\nAnd a stone?\n").stdout
    answers = [json.loads(line) for line in lines.splitlines()]
    assert [answer["model"] for answer in answers] == ["one", "one"]
    assert all(answer["content"] and answer["usage"]["completion_tokens"] <= 8 for answer in answers)
    # The second question came with the first and its answer.
    assert answers[1]["usage"]["prompt_tokens"] > answers[0]["usage"]["prompt_tokens"] + 8


def test_a_conversation_that_cannot_be_says_what_to_do(served):
    unknown = talk(served, "chat", "nobody", said="Hello\n", check=False)
    assert unknown.returncode == 4 and "nobody" in unknown.stderr and "serve ls" in unknown.stderr
    served.sust.run("key", "revoke", "test")
    denied = talk(served, "chat", "one", said="Hello\n", check=False)
    assert denied.returncode == 3 and "key create" in denied.stderr
    served.sust.run("key", "create", "--name", "next")
    wait_for("the gateway knows the key", lambda: talk(
        served, "chat", "one", "--max-tokens", "4", said="Hello\n", check=False).stdout, 30)


def test_a_terminal_has_a_prompt_and_ctrl_d_ends_it(served):
    ours, theirs = pty.openpty()
    child = subprocess.Popen(served.sust.argv("chat", "one", "--max-tokens", "8"), stdin=theirs, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=served.sust.environment)
    os.close(theirs)
    os.write(ours, b"What is a river?\n")
    os.write(ours, b"\x04")
    out, err = child.communicate(timeout=60)
    os.close(ours)
    assert child.returncode == 0 and out.strip()
    assert "talking to one; end with Ctrl-D" in err and err.count("> ") == 2


def test_a_services_log_is_the_engines_and_can_be_followed(served):
    assert "llama" in served.sust.run("serve", "logs", "demo").stdout.lower()
    replica = served.show()["replicas"][0]["id"]
    held = served.sust.json("serve", "logs", "demo", "--replica", replica)
    assert held["text"] and held["dropped_bytes"] == 0
    follower = subprocess.Popen(served.sust.argv("serve", "logs", "demo", "--replica", replica, "--follow"),
                                stdout=subprocess.PIPE, text=True, env=served.sust.environment)
    for line in follower.stdout:
        if line == held["text"].splitlines(keepends=True)[-1]:
            break
    ask_both(served)
    assert follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    assert follower.wait(30) == -signal.SIGINT


def test_a_follower_of_a_log_outlives_sustd(served):
    replica = served.show()["replicas"][0]["id"]
    follower = subprocess.Popen(served.sust.argv("serve", "logs", "demo", "--replica", replica, "--follow"),
                                stdout=subprocess.PIPE, text=True, env=served.sust.environment)
    assert follower.stdout.readline()
    served.kill_sustd()
    held = served.sust.json("serve", "logs", "demo", "--replica", replica)["text"].splitlines(keepends=True)
    last = held[-1]
    for line in follower.stdout:
        if line == last:
            break
    ask_both(served)
    assert follower.stdout.readline() and follower.poll() is None
    follower.kill()
    follower.wait(30)


def test_tables_show_what_was_applied_in_a_hundred_columns(served):
    shown = served.sust.run("serve", "show", "demo").stdout
    assert "demo" in shown and "one" in shown and shown.count("ready") >= 3
    keys = served.sust.run("key", "ls").stdout
    assert "NAME" in keys.splitlines()[0] and "test" in keys and "active" in keys
    services = served.sust.run("serve", "ls").stdout
    assert "demo" in services and "2" in services
    recipe = served.sust.run("recipe", "show", "sft-lora").stdout
    assert "learning_rate" in recipe and "suits small models" in recipe
    for table in (shown, keys, services, recipe):
        assert max(len(line) for line in table.splitlines()) <= 100

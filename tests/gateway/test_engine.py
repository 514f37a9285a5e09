"""A gateway before llama.cpp's real server, and the official client before both."""

import json
import os
import socket
import subprocess
import threading
import tomllib
from pathlib import Path

import pytest

from conftest import REPOSITORY, wait_for
from gateway import parts
from labs.openai_client import run_check

pytestmark = pytest.mark.lab

SLOTS = 4
# So that the base goes on to its limit: no end of text.
END = json.loads((REPOSITORY / "models/tiny/generation_config.json").read_text())["eos_token_id"]
ENDLESS = {"max_tokens": 450, "logit_bias": {str(token): -100 for token in (END if isinstance(END, list) else [END])}}
FACTS = tomllib.loads((REPOSITORY / "engines/llama-cpp.toml").read_text())


def runner(environment, request):
    """argv of a command in an environment: `sust run`, or what a developer's variable says."""
    own = os.environ.get(f"SUST_TEST_RUN_{environment.upper().replace('-', '_')}")
    if own:
        return own.split()
    sust = request.getfixturevalue("sust_with_images")
    return sust.argv("run", "--environment", environment)


def mounts(*pairs):
    return [word for source, target in pairs for word in ("--mount", f"{source}:{target}")]


@pytest.fixture
def models(request, short_tmp):
    out = short_tmp / "models"
    out.mkdir()
    argv = [*runner("trainer", request), *mounts((f"{REPOSITORY}/recipes/common", "/sust/common:ro"), (f"{REPOSITORY}/tests/gateway", "/sust/make:ro"),
                                                 (f"{REPOSITORY}/models/tiny", "/sust/base:ro"), (out, "/sust/out")),
            "--", "env", "PYTHONPATH=/sust/common", "PYTHONDONTWRITEBYTECODE=1", "python3", "/sust/make/make_models.py", "/sust/base", "/sust/out"]
    subprocess.run(argv, check=True, timeout=120)
    return out


class Server:
    """One llama-server on a Unix socket."""

    def __init__(self, argv, models, folder, name):
        self.socket = folder / f"{name}.sock"
        self.log = (folder / f"{name}.log").open("wb")
        self.process = subprocess.Popen(
            [*argv, *mounts((models, "/sust/models:ro"), (folder, "/sust/sockets")), "--", "llama-server", "--host", f"/sust/sockets/{name}.sock",
             "--model", "/sust/models/base.gguf", "--alias", "in-engine", "--ctx-size", str(512 * SLOTS), "--parallel", str(SLOTS), "--threads", "1",
             "--metrics", "--no-ui", "--offline", "--cache-ram", "0", "--lora-scaled", "/sust/models/one.gguf:0,/sust/models/two.gguf:0"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def get(self, path):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(str(self.socket))
            sock.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def healthy(self):
        assert self.process.poll() is None, Path(self.log.name).read_text()
        try:
            return self.get("/health")[0] == 200
        except OSError:
            return False

    def idle(self):
        return not any(slot["is_processing"] for slot in json.loads(self.get("/slots")[1]))

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self.log.close()


def select(index=None):
    return json.loads(FACTS["select"]["base"] if index is None else FACTS["select"]["adapter"].replace("{index}", str(index)))


@pytest.fixture
def served(request, gateway_binary, models, short_tmp):
    """Two replicas with a base and two adapters behind a gateway."""
    sockets = short_tmp / "s"
    sockets.mkdir()
    argv = runner("llama-cpp", request)
    servers = {name: Server(argv, models, sockets, name) for name in ("r1", "r2")}
    gateway = parts.Gateway(gateway_binary, short_tmp / "g")
    gateway.key = parts.Key(scopes=("inference", "metrics"))
    gateway.servers = servers
    names = [("base", "in-engine", select()), ("team/one", "in-engine", select(0)), ("two", "in-engine", select(1))]
    fleet = parts.fleet(1, [parts.replica(name, server.socket, models=names, slots=SLOTS) for name, server in servers.items()],
                        [gateway.key], max_queue=64, queue_seconds=60)
    fleet["engines"]["fake"] = {"private_fields": FACTS["requests"]["private_fields"], "prompt_counter": FACTS["requests"]["prompt_counter"]}
    gateway.keep_map(fleet)
    try:
        for server in servers.values():
            wait_for("a healthy engine", server.healthy, within=120)
        yield gateway.start()
    finally:
        for server in servers.values():
            server.kill()
        gateway.stop(9)


def ask(gateway, model, number=0, stream=False, **fields):
    return gateway.chat(gateway.key, model, stream=stream, temperature=0, max_tokens=24, **fields,
                        messages=[{"role": "user", "content": f"What is the meaning of number {number}?"}])


def text_of(answer):
    assert answer.status == 200, answer.body
    if answer.headers["content-type"] == "text/event-stream":
        assert answer.events[-1] == "[DONE]"
        return "".join(e["choices"][0]["delta"].get("content") or "" for e in answer.events[:-1])
    return answer.json["choices"][0]["message"]["content"]


def test_a_stream_and_a_whole_answer_say_the_same_and_count_the_same(served):
    whole = ask(served, "base")
    streamed = ask(served, "base", stream=True)
    assert text_of(whole) == text_of(streamed) != ""
    assert whole.json["model"] == "base" and all(e["model"] == "base" for e in streamed.events[:-1])
    assert b"in-engine" not in whole.body + streamed.body
    one, two = served.wait_ledger(2)
    usage = whole.json["usage"]
    assert (one["prompt_tokens"], one["completion_tokens"]) == (two["prompt_tokens"], two["completion_tokens"])
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (one["prompt_tokens"], one["completion_tokens"])
    assert one["counted_by"] == two["counted_by"] == "engine"


def test_base_and_adapters_never_mix(served):
    models, numbers = ["base", "team/one", "two"], range(8)
    alone = {(model, number): text_of(ask(served, model, number)) for model in models for number in numbers}
    assert len({alone[model, 0] for model in models}) == 3, "the adapters answer as the base does: this test would show nothing"
    wrong = []

    def worker(seed):
        for i in range(24):
            model, number = models[(seed + i) % 3], (seed * 5 + i) % len(numbers)
            if text_of(ask(served, model, number, stream=bool(i % 2))) != alone[model, number]:
                wrong.append((model, number))
    threads = [threading.Thread(target=worker, args=(seed,)) for seed in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []
    served.wait_ledger(24 + 6 * 24, within=20)


@pytest.mark.parametrize("stream", [True, False])
def test_no_token_for_nobody(served, stream):
    servers = served.servers.values()
    clients = [served.client() for _ in range(2 * SLOTS)]
    for client in clients:
        client.request("POST", "/v1/completions", {"model": "base", "prompt": "Tell me everything", "stream": stream, **ENDLESS}, served.key)
    if stream:
        for client in clients:
            client.head()
            client.chunk()
    else:
        wait_for("engines at work", lambda: not any(server.idle() for server in servers), within=10)
    for client in clients:
        client.close()
    wait_for("every slot idle", lambda: all(server.idle() for server in servers), within=20)
    # The base may have been quick with some of them.
    cut = [line for line in served.wait_ledger(len(clients)) if line["aborted"]]
    assert cut
    for line in cut:
        assert line["status"] == 499 and line["counted_by"] == "relay"
        assert line["prompt_counted_by"] == "tokenizer" and 0 < line["prompt_tokens"] < 20
        assert line["completion_tokens"] < 450


def test_a_counted_prompt_is_what_the_engine_would_have_said(served):
    message = {"messages": [{"role": "user", "content": "Count these words, please: ä, ö, ü."}]}
    said = served.chat(served.key, "base", max_tokens=2, **message).json["usage"]["prompt_tokens"]
    client = served.client()
    client.request("POST", "/v1/chat/completions", {"model": "base", "stream": True, **message, **ENDLESS}, served.key)
    client.head(), client.chunk()
    client.close()
    lines = served.wait_ledger(2)
    assert [line["prompt_tokens"] for line in lines] == [said, said]


def test_a_killed_replica_costs_its_streams_and_nothing_else(served):
    client = served.client()
    client.request("POST", "/v1/completions", {"model": "base", "prompt": "On and on", "stream": True, **ENDLESS}, served.key)
    client.head()
    client.chunk()
    busy = next((s for s in served.servers.values() if not s.idle()), None)
    for server in [busy] if busy else []:
        server.kill()
        cut = client.until_cut()
        assert b"[DONE]" not in cut.body and "error" in cut.events[-1]
    for number in range(6):
        text_of(ask(served, "base", number))
    lines = served.wait_ledger(7)
    assert len({line["request_id"] for line in lines}) == 7


def test_an_endpoint_that_the_engine_lacks_gives_its_501(served):
    answer = served.ask("POST", "/v1/embeddings", {"model": "base", "input": "x"}, served.key)
    assert answer.status == 501 and set(answer.error) == {"message", "type", "param", "code"}


def test_what_the_engine_refuses_is_told_in_openai_s_form(served):
    answer = served.chat(served.key, "base", messages=[{"role": "user", "content": "x " * 2000}])
    assert answer.status == 400 and answer.error["message"]


def test_the_official_client_finds_what_it_expects(served, tmp_path):
    """tests/gateway/openai/check.mjs through the openai package, at the versions of its lock file."""
    said = run_check(tmp_path, "check.mjs", f"http://127.0.0.1:{served.port}/v1", served.key.text)
    assert "11 checks passed" in said
    wait_for("every slot idle", lambda: all(server.idle() for server in served.servers.values()), within=5)

"""What a gateway serves, edits and refuses, against a scripted engine."""

import json
import re
import time

import pytest

from gateway import parts
from conftest import REPOSITORY, wait_for

pytestmark = pytest.mark.box


def test_a_chat_is_answered_and_counted(stage):
    stage.engine()
    gateway = stage.start()
    answer = gateway.chat(stage.key)
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "one two three"
    assert answer.headers["x-request-id"].startswith("req-")
    line, = gateway.wait_ledger(1)
    assert (line["prompt_tokens"], line["completion_tokens"], line["counted_by"]) == (7, 3, "engine")
    assert (line["key"], line["model"], line["replica"], line["status"]) == (stage.key.id, "m", "r1", 200)
    assert line["request_id"] == answer.headers["x-request-id"] and not line["aborted"]


def test_a_stream_is_relayed_and_its_usage_chunk_kept_back(stage):
    engine = stage.engine()
    gateway = stage.start()
    answer = gateway.chat(stage.key, stream=True)
    assert answer.status == 200 and answer.headers["content-type"] == "text/event-stream"
    *chunks, done = answer.events
    assert done == "[DONE]"
    assert "".join(c["choices"][0]["delta"]["content"] for c in chunks) == "one two three"
    assert engine.bodies()[0]["stream_options"] == {"include_usage": True}
    line, = gateway.wait_ledger(1)
    assert (line["prompt_tokens"], line["completion_tokens"]) == (7, 3)
    assert line["ttft_ms"] is not None and line["stream"]


def test_a_client_that_asks_for_usage_gets_it(stage):
    stage.engine()
    gateway = stage.start()
    events = gateway.chat(stage.key, stream=True, stream_options={"include_usage": True}).events
    assert events[-2]["usage"]["total_tokens"] == 10


def test_names_are_the_client_s_on_both_sides(stage):
    engine = stage.engine()
    adapter = ("team/adapter", "base-in-engine", {"lora": [{"id": 0, "scale": 1.0}]})
    gateway = stage.start([stage.replica(models=[("base", "base-in-engine", {"lora": []}), adapter])])
    assert gateway.chat(stage.key, "team/adapter").json["model"] == "team/adapter"
    assert all(e["model"] == "base" for e in gateway.chat(stage.key, "base", stream=True).events[:-1])
    adapted, plain = engine.bodies()
    assert adapted["model"] == plain["model"] == "base-in-engine"
    assert adapted["lora"] == [{"id": 0, "scale": 1.0}] and plain["lora"] == []


def test_every_other_byte_reaches_the_engine_as_it_came(stage):
    engine = stage.engine()
    gateway = stage.start()
    body = '{ "a" : 1.50e+1,"model":"m" ,\n "messages":[{"role":"user","content":"\\u00e4\\ud83d\\ude00 ü"}], "z":null}'
    assert gateway.ask("POST", "/v1/chat/completions", body.encode(), stage.key).status == 200
    head, got = engine.requests[0]
    assert got.decode() == body
    assert "uthorization" not in head and stage.key.text not in head


def test_the_secret_of_the_key_reaches_no_engine_and_no_log(stage):
    engine = stage.engine()
    gateway = stage.start()
    gateway.chat(stage.key)
    gateway.ask("GET", "/v1/models", key=parts.Key())
    gateway.stop()
    assert all(stage.key.text not in head for head, _ in engine.requests)
    assert stage.key.text not in (gateway.root / "gateway.log").read_text()


def test_models_are_those_that_the_key_may_use(stage):
    stage.engine()
    bound = parts.Key(models=["a"])
    stage.keys.append(bound)
    gateway = stage.start([stage.replica(models=["a", "b/c"])])
    assert [m["id"] for m in gateway.ask("GET", "/v1/models", key=stage.key).json["data"]] == ["a", "b/c"]
    assert [m["id"] for m in gateway.ask("GET", "/v1/models", key=bound).json["data"]] == ["a"]
    assert gateway.ask("GET", "/v1/models/b%2Fc", key=stage.key).json["id"] == "b/c"
    assert gateway.ask("GET", "/v1/models/b/c", key=stage.key).status == 200
    assert gateway.ask("GET", "/v1/models/b%2Fc", key=bound).status == 404
    refused = gateway.chat(bound, "b/c")
    assert refused.status == 404 and refused.error["code"] == "model_not_found"
    assert "b/c" not in refused.error["message"].split("there is:")[1]


def test_a_model_says_since_when_it_is_served(stage):
    stage.engine()
    gateway = stage.start([stage.replica(models=["known", "old"])], models=["known", "asleep"])
    created = {m["id"]: m["created"] for m in gateway.ask("GET", "/v1/models", key=stage.key).json["data"]}
    assert created == {"asleep": 1767323045, "known": 1767323045, "old": 0}
    assert gateway.ask("GET", "/v1/models/known", key=stage.key).json["created"] == 1767323045


@pytest.mark.parametrize("headers, status", [
    ([], 401), (["Authorization: Bearer"], 401), (["Authorization: Basic abc"], 401),
    (["Authorization: Bearer sust_x_y_z"], 401), (["Authorization: Bearer " + "a" * 5000], 401)])
def test_without_a_known_key_nothing_is_told(stage, headers, status):
    engine = stage.engine()
    gateway = stage.start()
    answer = gateway.ask("POST", "/v1/chat/completions", {"model": "m", "messages": []}, headers=headers)
    assert answer.status == status and answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.error["type"] == "invalid_request_error" and answer.error["code"]
    assert engine.requests == []


def test_health_is_open_and_metrics_want_their_scope(stage):
    stage.engine()
    plain = parts.Key()
    stage.keys.append(plain)
    only_metrics = parts.Key(scopes=["metrics"])
    stage.keys.append(only_metrics)
    gateway = stage.start()
    assert gateway.ask("GET", "/healthz").body == b"ok\n"
    assert gateway.ask("GET", "/metrics").status == 401
    assert gateway.ask("GET", "/metrics", key=plain).status == 403
    assert gateway.chat(only_metrics).status == 403
    gateway.chat(stage.key)
    gateway.chat(stage.key, stream=True)
    answered = 'sust_requests_total{model_name="m",status="200"}'
    figures = wait_for("both requests in the figures",
                       lambda: (f := gateway.metrics(only_metrics)).get(answered) == 2 and f)
    assert figures['sust_generation_tokens_total{model_name="m"}'] == 6
    assert figures['sust_prompt_tokens_total{model_name="m"}'] == 14
    assert figures['sust_time_to_first_token_seconds_count{model_name="m"}'] == 1
    assert figures['sust_e2e_request_latency_seconds_count{model_name="m"}'] == 2
    assert figures['sust_replica_state{replica="r1",service="svc",state="ready"}'] == 1
    assert figures["sust_num_requests_running"] == 0


@pytest.mark.parametrize("body, code, says", [
    (b"{", "invalid_json", "byte 1 (line 1, column 2)"),
    (b'{"model":"m",\n "x":tru}', "invalid_json", "line 2, column 6"),
    (b"[]", "invalid_json", "byte 0"),
    (b"", "invalid_json", "byte 0"),
    (b'{"model":"m","a":"\xff"}', "invalid_json", "UTF-8"),
    (b'{"messages":[]}', "invalid_parameter", "model"),
    (b'{"model":7}', "invalid_parameter", "model"),
    (b'{"model":"m","mod\\u0065l":"n"}', "invalid_parameter", "more than once"),
    (b'{"model":"m","stream":"yes"}', "invalid_parameter", "stream"),
    (b'{"model":"m","lora":[]}', "unsupported_parameter", "lora"),
    (b'{"model":"m","lor\\u0061":[]}', "unsupported_parameter", "lora"),
    (b'{"model":"m","id_slot":1}', "unsupported_parameter", "id_slot"),
])
def test_a_bad_body_is_refused_with_the_place(stage, body, code, says):
    engine = stage.engine()
    gateway = stage.start()
    answer = gateway.ask("POST", "/v1/chat/completions", body, stage.key)
    assert answer.status == 400, answer.body
    assert answer.error["code"] == code and says in answer.error["message"]
    assert engine.requests == []


def test_an_unknown_model_is_told_what_exists(stage):
    stage.engine()
    gateway = stage.start([stage.replica(models=["alpha", "beta"])])
    answer = gateway.chat(stage.key, "gamma\n" + "x" * 10000)
    assert answer.status == 404 and "alpha, beta" in answer.error["message"]
    assert answer.error["param"] == "model" and len(answer.error["message"]) < 400


def test_an_endpoint_that_the_engine_lacks_gives_its_501_in_openai_s_form(stage):
    stage.engine()
    gateway = stage.start()
    answer = gateway.ask("POST", "/v1/embeddings", {"model": "m", "input": "x"}, stage.key)
    assert answer.status == 501
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert answer.error["message"] == "not supported here"


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/", 404), ("GET", "/v1", 404), ("POST", "/slots", 404), ("POST", "/v1/../slots", 404),
    ("POST", "/v1/chat/completions/", 404), ("POST", "/v1//chat/completions", 404), ("POST", "/lora-adapters", 404),
    ("GET", "/v1/chat/completions", 405), ("POST", "/v1/models", 405), ("DELETE", "/v1/models/m", 405)])
def test_other_paths_and_methods_are_refused(stage, method, path, status):
    engine = stage.engine()
    gateway = stage.start()
    answer = gateway.ask(method, path, b"{}", stage.key)
    assert answer.status == status and answer.error["message"]
    assert "x-request-id" in answer.headers
    if status == 405:
        assert answer.headers["allow"] in ("GET", "POST")
    assert engine.requests == []


def test_a_body_over_the_limit_is_413_before_it_is_sent(stage):
    stage.engine()
    gateway = stage.start()
    client = gateway.client()
    client.send(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stage.key.text}\r\n"
                "Content-Length: 99999999\r\n\r\n")
    answer = client.answer()
    assert answer.status == 413 and "1" in answer.error["message"] and answer.headers["connection"] == "close"
    client.close()
    chunked = gateway.client()
    chunked.send(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stage.key.text}\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(OSError):  # the gateway reads on for a moment, so that its answer can be read
        end = time.monotonic() + 20
        while time.monotonic() < end:
            chunked.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    chunked.close()


def test_huge_headers_are_431(stage):
    stage.engine()
    gateway = stage.start()
    answer = gateway.ask("GET", "/healthz", headers=["X-Filler: " + "y" * 20000])
    assert answer.status == 431


def test_chunked_bodies_and_expect_continue_work(stage):
    engine = stage.engine()
    gateway = stage.start()
    client = gateway.client()
    body = b'{"model":"m","messages":[]}'
    client.send(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stage.key.text}\r\n"
                "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
    assert client.head()[0] == 100
    for byte in body:
        client.send(b"1\r\n" + bytes([byte]) + b"\r\n")
    client.send("0\r\n\r\n")
    assert client.answer().status == 200
    assert engine.requests[0][1] == body


def test_pipelined_requests_are_answered_in_order(stage):
    def by_number(connection):
        connection.answer(body={"model": "m", "n": connection.json["n"], "choices": []})
    stage.engine(script=by_number)
    gateway = stage.start()
    client = gateway.client()
    for n in range(20):
        client.request("POST", "/v1/chat/completions", {"model": "m", "n": n}, stage.key)
    assert [client.answer().json["n"] for _ in range(20)] == list(range(20))


@pytest.mark.parametrize("head", [
    "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 6", "Content-Length: +5", "Content-Length: 5,6", "Content-Length: -1",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: xchunked",
    "Transfer-Encoding : chunked", "Transfer-Encoding:\r\n chunked", "Content-Length: 5\r\n\tX: y"])
def test_a_request_with_two_readings_is_refused_and_the_connection_closed(stage, head):
    engine = stage.engine()
    gateway = stage.start()
    client = gateway.client()
    client.send(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stage.key.text}\r\n{head}\r\n\r\n"
                f"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stage.key.text}\r\n\r\n")
    answer = client.answer()
    assert answer.status == 400
    assert client.file.read() == b"", "a second answer: the bytes behind were read as a request"
    assert engine.requests == []


def test_http_1_0_gets_a_stream_without_chunks(stage):
    stage.engine()
    gateway = stage.start()
    client = gateway.client()
    body = json.dumps({"model": "m", "messages": [], "stream": True})
    client.send(f"POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer {stage.key.text}\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    answer = client.answer()
    assert "transfer-encoding" not in answer.headers
    assert answer.events[-1] == "[DONE]"


def test_one_connection_serves_many_requests(stage):
    stage.engine()
    gateway = stage.start()
    client = gateway.client()
    for i in range(50):
        client.request("POST", "/v1/chat/completions", {"model": "m", "messages": [], "stream": i % 2 == 0}, stage.key)
        assert client.answer().status == 200
    assert wait_for("one connection at the engine", lambda: len(stage.engines["r1"].connections) <= 2)
    gateway.wait_ledger(50)


def test_the_metrics_are_those_of_their_page(stage):
    stage.engine()
    gateway = stage.start()
    assert gateway.chat(stage.key).status == 200 and gateway.chat(stage.key, stream=True).status == 200
    told = gateway.ask("GET", "/metrics", key=stage.key).body.decode().splitlines()
    types = {tuple(line.split()[2:]) for line in told if line.startswith("# TYPE ")}
    page = (REPOSITORY / "docs/protocol/metrics.md").read_text()
    described = set(re.findall(r"^\| `(sust_\w+)` \| (\w+) \|", page, re.MULTILINE))
    assert types == described

"""Faults that a real engine will not produce on demand, and clients that leave or read slowly."""

import json
import socket
import threading
import time

import pytest

from conftest import wait_for
from gateway import parts

pytestmark = pytest.mark.box


def ask_stream(gateway, key, **fields):
    client = gateway.client()
    client.request("POST", "/v1/chat/completions", {"model": "m", "messages": [], "stream": True, **fields}, key)
    return client


def failing(kind):
    """A script that breaks before the first byte of an answer."""
    def script(connection):
        if kind == "closed":
            connection.close()
        elif kind == "loading":
            connection.answer(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
        elif kind == "garbage":
            connection.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            connection.close()
        elif kind == "half head":
            connection.send("HTTP/1.1 200 OK\r\nContent-Ty")
            connection.close()
        elif kind == "head only":
            connection.begin_stream()
            connection.close()
        elif kind == "huge header":
            connection.send("HTTP/1.1 200 OK\r\nX: " + "y" * 100_000 + "\r\n\r\n")
        elif kind == "half answer":
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"model\":")
            connection.close()
    return script


BEFORE_THE_FIRST_BYTE = ["closed", "loading", "garbage", "half head", "head only", "huge header", "half answer"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", BEFORE_THE_FIRST_BYTE)
def test_before_the_first_byte_another_replica_is_tried(stage, kind, stream):
    bad = stage.engine("bad", failing(kind))
    stage.engine("good")
    gateway = stage.start()
    for _ in range(8):
        answer = gateway.chat(stage.key, stream=stream)
        assert answer.status == 200, answer.body
        assert b"three" in answer.body
    assert bad.requests
    lines = gateway.wait_ledger(8)
    assert all(line["replica"] == "good" and line["completion_tokens"] == 3 for line in lines)


@pytest.mark.parametrize("kind", BEFORE_THE_FIRST_BYTE)
def test_without_another_replica_the_client_is_told_in_openai_s_form(stage, kind):
    stage.engine("bad", failing(kind))
    gateway = stage.start()
    answer = gateway.chat(stage.key)
    assert answer.status in (502, 503), answer.body
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert answer.status == 502 or int(answer.headers["retry-after"]) > 0
    line, = gateway.wait_ledger(1)
    assert line["status"] == answer.status and line["completion_tokens"] == 0


def test_tries_are_bounded(stage):
    engines = [stage.engine(f"bad{i}", failing("closed")) for i in range(8)]
    gateway = stage.start()
    assert gateway.chat(stage.key).status == 503
    assert sum(len(engine.requests) for engine in engines) == 3


def test_a_replica_that_refuses_connections_is_left_alone_for_a_while(stage):
    stage.engine("gone").close()
    stage.engine("good")
    gateway = stage.start()
    for _ in range(10):
        assert gateway.chat(stage.key).status == 200
    figures = gateway.metrics(stage.key)
    assert figures["sust_retries_total"] <= 3


def test_no_ready_replica_is_503_with_a_time_to_try_again(stage):
    stage.engine()
    gateway = stage.start([stage.replica(state="starting"), stage.replica("r2", state="draining"), stage.replica("r3", state="unhealthy")])
    answer = gateway.chat(stage.key)
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0 and answer.error["code"] == "no_replica"
    assert stage.engines["r1"].requests == []


def test_a_model_whose_service_has_no_replica_is_503_and_not_unknown(stage):
    bound = parts.Key(models=["awake"])
    stage.keys.append(bound)
    gateway = stage.start([], models=["asleep", "awake"])
    answer = gateway.chat(stage.key, "asleep")
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0 and answer.error["code"] == "no_replica"
    assert gateway.chat(stage.key, "asleep", stream=True).status == 503
    assert gateway.chat(stage.key, "gone").status == 404
    assert gateway.chat(bound, "asleep").status == 404
    line = gateway.wait_ledger(2)[0]
    assert (line["model"], line["service"], line["status"]) == ("asleep", "svc", 503)


def test_a_service_that_is_scaled_to_zero_and_back_is_never_unknown(stage):
    sustd = stage.sustd()
    stage.engine()
    gateway = stage.start(models=["m"])
    assert gateway.chat(stage.key).status == 200
    sustd.publish(parts.fleet(2, [], stage.keys, models=["m"]))
    sustd.wait_acknowledged(2)
    assert gateway.chat(stage.key).error["code"] == "no_replica"
    sustd.publish(parts.fleet(3, [stage.replica()], stage.keys, models=["m"]))
    sustd.wait_acknowledged(3)
    assert gateway.chat(stage.key).status == 200


@pytest.mark.parametrize("how", ["close", "garbage", "half event", "end without boundary", "bad chunk"])
def test_after_the_first_byte_the_stream_ends_with_an_error_and_no_done(stage, how):
    def script(connection):
        connection.begin_stream()
        connection.event(parts.text_chunk("m", "one"))
        seen.wait(10)
        if how == "close":
            connection.close()
        elif how == "garbage":
            connection.event("{not json")
            connection.end_stream()
        elif how == "half event":
            connection.chunk('data: {"model":"m","choi')
            connection.close()
        elif how == "end without boundary":
            connection.chunk('data: {"model":"m"}\n')
            connection.end_stream()
        elif how == "bad chunk":
            connection.send("zz\r\n")
    seen = threading.Event()
    bad = stage.engine("r1", script)
    gateway = stage.start()
    client = ask_stream(gateway, stage.key)
    status, _ = client.head()
    first = client.chunk()
    seen.set()
    rest = client.until_cut()
    assert status == 200 and b"one" in first
    assert b"[DONE]" not in rest.body
    assert rest.events[-1]["error"]["type"] == "server_error"
    line, = gateway.wait_ledger(1)
    assert line["aborted"] and line["completion_tokens"] == 1 and line["counted_by"] == "relay" and line["status"] == 502
    assert len(bad.requests) == 1, "after the first byte nothing is tried again"


def test_an_error_event_of_the_engine_is_passed_on(stage):
    def script(connection):
        connection.begin_stream()
        connection.event(parts.text_chunk("m", "one"))
        connection.event({"error": {"message": "out of slots", "type": "server_error", "code": 500}})
        connection.end_stream()
    stage.engine("r1", script)
    gateway = stage.start()
    client = ask_stream(gateway, stage.key)
    answer = client.answer()
    assert answer.events[-1]["error"]["message"] == "out of slots"


def test_client_errors_of_the_engine_are_passed_on_and_tried_nowhere_else(stage):
    def script(connection):
        connection.answer(400, {"error": {"code": 400, "message": "the prompt is too long", "type": "exceed_context_size_error", "n_ctx": 512}})
    engines = [stage.engine("a", script), stage.engine("b", script)]
    gateway = stage.start()
    answer = gateway.chat(stage.key)
    assert answer.status == 400 and answer.error["message"] == "the prompt is too long"
    assert answer.error["type"] == "exceed_context_size_error"
    assert sum(len(e.requests) for e in engines) == 1


@pytest.mark.parametrize("body", ["", "<html>teapot</html>", "null", "[]", '{"error": "just text"}', '{"error": {}}'])
def test_any_error_of_an_engine_becomes_an_error_object(stage, body):
    stage.engine("r1", lambda connection: connection.answer(500, body, "text/html"))
    gateway = stage.start()
    answer = gateway.chat(stage.key)
    assert answer.status == 500 and answer.error["message"]


def test_a_kept_connection_that_the_engine_closed_costs_nothing(stage):
    """As cpp-httplib ends a connection after some requests."""
    def script(connection):
        parts.well_behaved(connection)
        connection.sock.shutdown(socket.SHUT_RDWR)
    stage.engine("r1", script)
    gateway = stage.start()
    for stream in (False, True) * 10:
        assert gateway.chat(stage.key, stream=stream).status == 200
    assert gateway.metrics(stage.key)["sust_retries_total"] == 0


# --- Clients that leave ------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["close", "reset", "half close"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_its_engine_at_once(stage, stream, leave):
    freed = threading.Event()
    working = threading.Event()

    def script(connection):
        if connection.path in ("/apply-template", "/tokenize"):
            return connection.answer(404, {})
        if stream:
            connection.begin_stream()
            for word in ("one", "two"):
                connection.event(parts.text_chunk("m", word))
        working.set()
        if connection.client_left():
            freed.set()
    stage.engine("r1", script)
    gateway = stage.start()
    client = ask_stream(gateway, stage.key, stream=stream)
    if stream:
        client.head()
        while b"two" not in client.chunk():
            pass
    assert working.wait(5)
    if leave == "reset":
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if leave == "half close":
        client.sock.shutdown(socket.SHUT_WR)
    else:
        client.close()
    assert freed.wait(2), "the engine went on for nobody"
    line, = gateway.wait_ledger(1)
    assert line["aborted"] and line["status"] == 499 and line["error"] == "client_left"
    assert line["completion_tokens"] == (2 if stream else 0)
    assert line["counted_by"] == "relay" and line["prompt_counted_by"] == "estimate"
    wait_for("the slot is free", lambda: gateway.metrics(stage.key)['sust_replica_requests_running{replica="r1",service="svc"}'] == 0)


def test_a_prompt_of_a_request_that_was_cut_off_is_counted_by_the_tokenizer(stage):
    def script(connection):
        if connection.path == "/apply-template":
            connection.answer(body={"prompt": "<user>\n\"hello\""})
        elif connection.path == "/tokenize":
            connection.answer(body={"tokens": [1, 2, 3, 4, 5]})
        else:
            connection.begin_stream()
            connection.event(parts.text_chunk("m", "one"))
            connection.client_left()
    engine = stage.engine("r1", script)
    gateway = stage.start(prompt_counter="llama-server")
    client = ask_stream(gateway, stage.key)
    client.head(), client.chunk()
    client.close()
    line, = gateway.wait_ledger(1)
    assert (line["prompt_tokens"], line["prompt_counted_by"], line["completion_tokens"]) == (5, "tokenizer", 1)
    assert engine.bodies()[-1]["content"] == "<user>\n\"hello\""


def test_a_client_that_leaves_the_queue_leaves_it(stage):
    release = threading.Event()

    def script(connection):
        release.wait(20)
        parts.well_behaved(connection)
    engine = stage.engine("r1", script)
    gateway = stage.start([stage.replica(slots=1)], queue_seconds=20)
    first = ask_stream(gateway, stage.key)
    wait_for("the engine is at work", lambda: engine.now == 1)
    leaver = ask_stream(gateway, stage.key)
    wait_for("one waits", lambda: gateway.metrics(stage.key)["sust_num_requests_waiting"] == 1)
    leaver.close()
    wait_for("none waits", lambda: gateway.metrics(stage.key)["sust_num_requests_waiting"] == 0)
    release.set()
    assert first.answer().events[-1] == "[DONE]"
    lines = gateway.wait_ledger(2)
    assert sorted(line["status"] for line in lines) == [200, 499]
    assert len(engine.requests) == 1, "the request of the client that left reached the engine"


def test_a_slow_reader_is_bounded_and_harms_nobody(stage):
    sent = [0]

    def script(connection):
        if connection.json.get("stream"):
            connection.begin_stream()
            filler = "x" * 1000
            for _ in range(200_000):
                connection.event(parts.text_chunk("m", filler))
                sent[0] += 1000
        else:
            parts.well_behaved(connection)
    stage.engine("r1", script)
    gateway = stage.start()
    slow = ask_stream(gateway, stage.key)
    slow.head()

    def stalled():
        before = sent[0]
        time.sleep(0.3)  # a measure, not a wait: nothing moved in this time
        return sent[0] == before and before > 0
    wait_for("the engine is held back by the reader", stalled)
    assert sent[0] < 32 << 20
    assert gateway.chat(stage.key).status == 200
    slow.close()
    wait_for("the slot is free", lambda: gateway.metrics(stage.key)['sust_replica_requests_running{replica="r1",service="svc"}'] == 0)


# --- Queue -------------------------------------------------------------------------------------


def test_a_replica_gets_no_more_than_its_slots_and_the_rest_waits_in_turn(stage):
    now, most, lock = [0], [0], threading.Lock()

    def script(connection):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)  # the work
        with lock:
            now[0] -= 1
        parts.well_behaved(connection)
    stage.engine("r1", script)
    gateway = stage.start([stage.replica(slots=2)], max_queue=64, queue_seconds=30)
    statuses = []
    def one():
        statuses.append(gateway.chat(stage.key).status)
    threads = [threading.Thread(target=one) for _ in range(40)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert statuses == [200] * 40
    assert most[0] <= 2
    gateway.wait_ledger(40)


def test_a_full_queue_is_429_and_a_long_wait_503(stage):
    release = threading.Event()

    def script(connection):
        release.wait(20)
        parts.well_behaved(connection)
    engine = stage.engine("r1", script)
    gateway = stage.start([stage.replica(slots=1)], max_queue=1, queue_seconds=2)
    working = ask_stream(gateway, stage.key)
    wait_for("the engine is at work", lambda: engine.now == 1)
    waiting = ask_stream(gateway, stage.key)
    wait_for("one waits", lambda: gateway.metrics(stage.key)["sust_num_requests_waiting"] == 1)
    full = gateway.chat(stage.key)
    assert full.status == 429 and full.error["code"] == "queue_full" and int(full.headers["retry-after"]) > 0
    late = waiting.answer()
    assert late.status == 503 and late.error["code"] == "queue_timeout" and int(late.headers["retry-after"]) > 0
    release.set()
    assert working.answer().events[-1] == "[DONE]"
    assert sorted(line["status"] for line in gateway.wait_ledger(3)) == [200, 429, 503]


def test_load_goes_where_there_is_least(stage):
    release = threading.Event()

    def script(connection):
        if connection.json.get("hold"):
            release.wait(20)
        parts.well_behaved(connection)
    busy = stage.engine("busy", script)
    idle = stage.engine("idle", script)
    gateway = stage.start([stage.replica("busy", models=["m", "only-here"]), stage.replica("idle")])
    held = [gateway.client() for _ in range(2)]
    for client in held:
        client.request("POST", "/v1/completions", {"model": "only-here", "prompt": "x", "hold": True}, stage.key)
    wait_for("both held", lambda: busy.now == 2)
    for _ in range(10):
        assert gateway.chat(stage.key).status == 200
    assert len(idle.requests) == 10
    release.set()
    [client.answer() for client in held]


def test_equal_load_is_shared(stage):
    engines = [stage.engine(name) for name in ("a", "b")]
    gateway = stage.start()
    for _ in range(20):
        gateway.chat(stage.key)
    assert min(len(engine.requests) for engine in engines) >= 5


# --- Models never mix --------------------------------------------------------------------------


def test_base_and_adapter_never_mix_under_interleaved_load(stage):
    def script(connection):
        # What llama.cpp's server would generate with: what the request selects.
        selected = json.dumps(connection.json.get("lora"))
        connection.answer(body={"model": "b", "choices": [{"message": {"content": selected}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    selections = {"base": [{"id": 0, "scale": 0}, {"id": 1, "scale": 0}],
                  "one": [{"id": 0, "scale": 1}, {"id": 1, "scale": 0}], "two": [{"id": 0, "scale": 0}, {"id": 1, "scale": 1}]}
    names = [(name, "b", {"lora": lora}) for name, lora in selections.items()]
    for replica in ("r1", "r2"):
        stage.engine(replica, script)
    gateway = stage.start([stage.replica(r, models=names, slots=8) for r in ("r1", "r2")], max_queue=100)
    wrong = []

    def ask(worker):
        client = gateway.client()
        for i in range(60):
            name = list(selections)[(worker + i) % 3]
            client.request("POST", "/v1/chat/completions", {"model": name, "messages": []}, stage.key)
            answer = client.answer().json
            if json.loads(answer["choices"][0]["message"]["content"]) != selections[name] or answer["model"] != name:
                wrong.append((name, answer))
    threads = [threading.Thread(target=ask, args=(w,)) for w in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert wrong == []
    lines = gateway.wait_ledger(480)
    assert {n: sum(l["model"] == n for l in lines) for n in selections} == {n: 160 for n in selections}

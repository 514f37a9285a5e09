"""Following sustd, living without it, starting, stopping, and the ledger over kills."""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import wait_for
from gateway import parts

pytestmark = pytest.mark.box


def publish(stage, sustd, version, replicas=None, keys=None, **limits):
    sustd.publish(parts.fleet(version, replicas or [stage.replica(n) for n in stage.engines], stage.keys if keys is None else keys, **limits))


def test_a_new_map_is_applied_before_it_is_acknowledged(stage):
    stage.engine()
    sustd = stage.sustd()
    gateway = stage.gateway.start()
    assert gateway.chat(stage.key).status == 401
    publish(stage, sustd, 5)
    sustd.wait_acknowledged(5)
    assert gateway.chat(stage.key).status == 200
    assert json.loads((gateway.root / "state/fleet.json").read_text())["version"] == 5
    assert (gateway.root / "state/fleet.json").stat().st_mode & 0o777 == 0o600
    publish(stage, sustd, 6, [stage.replica(state="draining")])
    sustd.wait_acknowledged(6)
    assert gateway.chat(stage.key).status == 503
    assert gateway.metrics(stage.key)["sust_fleet_version"] == 6
    gateway_id, = sustd.acknowledged
    assert gateway_id == (gateway.root / "state/gateway.id").read_text() and gateway_id.startswith("gw-")


def test_a_revoked_key_is_refused_within_a_second_also_on_kept_connections(stage):
    stage.engine()
    sustd = stage.sustd()
    doomed = parts.Key()
    gateway = stage.gateway.start()
    publish(stage, sustd, 1, keys=[stage.key, doomed])
    sustd.wait_acknowledged(1)
    clients = [gateway.client() for _ in range(8)]

    def ask(client):
        client.request("POST", "/v1/chat/completions", {"model": "m", "messages": []}, doomed)
        return client.answer().status
    assert [ask(c) for c in clients] == [200] * 8
    revoked = time.monotonic()
    publish(stage, sustd, 2)
    wait_for("refused everywhere", lambda: all(ask(c) == 401 for c in clients), within=1.0)
    assert time.monotonic() - revoked < 1.0
    assert gateway.chat(stage.key).status == 200


def test_a_stream_survives_a_new_map_and_the_draining_of_its_replica(stage):
    go_on = threading.Event()

    def script(connection):
        connection.begin_stream()
        connection.event(parts.text_chunk("m", "one"))
        go_on.wait(10)
        connection.event(parts.text_chunk("m", "two"))
        connection.event("[DONE]")
        connection.end_stream()
    stage.engine("old", script)
    stage.engine("new")
    sustd = stage.sustd()
    gateway = stage.gateway.start()
    publish(stage, sustd, 1, [stage.replica("old")])
    sustd.wait_acknowledged(1)
    client = gateway.client()
    client.request("POST", "/v1/chat/completions", {"model": "m", "stream": True}, stage.key)
    client.head()
    publish(stage, sustd, 2, [stage.replica("old", state="draining"), stage.replica("new")])
    sustd.wait_acknowledged(2)
    assert b"three" in gateway.chat(stage.key).body
    publish(stage, sustd, 3, [stage.replica("new")])
    sustd.wait_acknowledged(3)
    go_on.set()
    body = b"".join(iter(client.chunk, b""))
    assert b"two" in body and b"[DONE]" in body


def test_a_request_that_waits_is_served_by_a_replica_that_comes(stage):
    release = threading.Event()
    stage.engine("old", lambda connection: (release.wait(20), parts.well_behaved(connection)))
    stage.engine("new")
    sustd = stage.sustd()
    gateway = stage.gateway.start()
    publish(stage, sustd, 1, [stage.replica("old", slots=1)], queue_seconds=20)
    sustd.wait_acknowledged(1)
    clients = [gateway.client() for _ in range(2)]
    for client in clients:
        client.request("POST", "/v1/chat/completions", {"model": "m"}, stage.key)
    wait_for("one waits", lambda: gateway.metrics(stage.key)["sust_num_requests_waiting"] == 1)
    publish(stage, sustd, 2, [stage.replica("old", slots=1), stage.replica("new")], queue_seconds=20)
    wait_for("the new one is asked", lambda: stage.engines["new"].requests)
    release.set()
    assert [client.answer().status for client in clients] == [200, 200]


def test_it_serves_on_without_sustd_and_starts_without_it(stage):
    stage.engine()
    sustd = stage.sustd()
    gateway = stage.gateway.start()
    publish(stage, sustd, 3)
    sustd.wait_acknowledged(3)
    sustd.close()
    wait_for("it noticed", lambda: gateway.metrics(stage.key)["sust_controller_connected"] == 0)
    assert gateway.chat(stage.key).status == 200
    gateway.stop(signal.SIGKILL)
    gateway.start()
    assert gateway.chat(stage.key).status == 200
    # sustd comes back with an older database: its word counts all the same.
    sustd = stage.sustd()
    publish(stage, sustd, 2, [stage.replica(models=["renamed"])])
    sustd.wait_acknowledged(2)
    assert gateway.chat(stage.key, "renamed").status == 200


def test_a_map_that_it_cannot_read_changes_nothing(stage):
    stage.engine()
    sustd = stage.sustd()
    gateway = stage.start(version=1)
    later = parts.fleet(9, [], [])
    later["format"] = 99
    sustd.publish(later)
    log = gateway.root / "gateway.log"
    wait_for("it says so", lambda: "format 99" in log.read_text())
    assert gateway.chat(stage.key).status == 200
    assert log.read_text().count("format 99") < 3
    publish(stage, sustd, 10)
    sustd.wait_acknowledged(10)


def test_a_damaged_fleet_file_does_not_keep_it_from_starting(stage):
    stage.engine()
    (stage.gateway.root / "state/fleet.json").write_text('{"format": 1, "ver')
    gateway = stage.gateway.start()
    assert gateway.ask("GET", "/healthz").status == 200


# --- Start and stop ----------------------------------------------------------------------------


def run(binary, root, *arguments):
    return subprocess.run([str(binary), "--root", str(root), *arguments], capture_output=True, text=True, timeout=20)


def test_a_port_in_use_is_named_and_exit_status_5(stage, gateway_binary):
    holder = socket.create_server(("127.0.0.1", 0))
    port = holder.getsockname()[1]
    done = run(gateway_binary, stage.gateway.root, "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 5 and str(port) in done.stderr and "--listen" in done.stderr
    assert not (stage.gateway.root / "run/gateway.json").exists()
    holder.close()


def test_another_gateway_s_port_and_root_are_in_use(stage, gateway_binary, tmp_path):
    stage.engine()
    gateway = stage.start()
    done = run(gateway_binary, tmp_path, "--listen", f"127.0.0.1:{gateway.port}")
    assert done.returncode == 5 and "in use" in done.stderr
    done = run(gateway_binary, gateway.root, "--listen", "127.0.0.1:0")
    assert done.returncode == 5 and "in use" in done.stderr
    assert gateway.chat(stage.key).status == 200


@pytest.mark.parametrize("arguments", [["--listen", "0.0.0.0:0"], ["--listen", "127.0.0.1"], ["--listen", "localhost:x"],
                                       ["--listen", "example:80"], ["--lisen", "x"], ["--threads", "-3"]])
def test_bad_arguments_are_exit_status_2(stage, gateway_binary, arguments):
    done = run(gateway_binary, stage.gateway.root, *arguments)
    assert done.returncode == 2 and done.stderr.startswith("sust-gateway: ")


def test_a_stop_lets_streams_finish_and_takes_no_more(stage):
    go_on = threading.Event()

    def script(connection):
        connection.begin_stream()
        connection.event(parts.text_chunk("m", "one"))
        go_on.wait(60)
        connection.event(parts.usage_chunk("m", 2, 1))
        connection.event("[DONE]")
        connection.end_stream()
    stage.engine("r1", script)
    gateway = stage.start()
    idle = gateway.client()
    client = gateway.client()
    client.request("POST", "/v1/chat/completions", {"model": "m", "stream": True}, stage.key)
    client.head(), client.chunk()
    gateway.process.send_signal(signal.SIGTERM)

    def refused():
        try:
            gateway.client().close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # accepted by the kernel, and never by the gateway
            pass
        return False
    wait_for("no more connections", refused)
    assert idle.file.read() == b"", "an idle connection is ended"
    assert gateway.process.poll() is None
    go_on.set()
    assert b"[DONE]" in b"".join(iter(client.chunk, b""))
    assert gateway.process.wait(10) == 0
    line, = gateway.ledger()
    assert line["status"] == 200 and line["completion_tokens"] == 1
    assert not (gateway.root / "run/gateway.json").exists()


def test_an_idle_gateway_stops_at_once(stage):
    stage.engine()
    gateway = stage.start()
    client = gateway.client()
    begun = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - begun < 5
    client.close()


# --- Ledger ------------------------------------------------------------------------------------


def test_a_kill_of_the_gateway_loses_no_request_that_ended_before(stage):
    stage.engine()
    gateway = stage.start([stage.replica(slots=64)], max_queue=100)
    counted = [0] * 8
    stop = threading.Event()

    def ask(worker):
        client = gateway.client()
        while not stop.is_set():
            try:
                client.request("POST", "/v1/chat/completions", {"model": "m"}, stage.key)
                assert client.answer().status == 200
                counted[worker] += 1
            except (OSError, EOFError):
                return
    threads = [threading.Thread(target=ask, args=(w,)) for w in range(8)]
    [t.start() for t in threads]
    wait_for("some requests", lambda: sum(counted) > 200)
    before = sum(counted)
    wait_for("written", lambda: len(gateway.ledger()) >= before)
    gateway.stop(signal.SIGKILL)
    stop.set()
    [t.join() for t in threads]
    gateway.start()  # which cuts off a line that the kill tore
    lines = gateway.ledger()
    assert before <= len(lines) <= sum(counted) + 8
    assert len({line["request_id"] for line in lines}) == len(lines)


def test_a_torn_line_of_a_kill_is_cut_off_at_the_next_start(stage):
    stage.engine()
    gateway = stage.start()
    gateway.chat(stage.key)
    gateway.wait_ledger(1)
    gateway.stop(signal.SIGKILL)
    path, = (gateway.root / "data/ledger").glob("*.jsonl")
    with path.open("a") as file:
        file.write('{"ts":"2026-')
    gateway.start()
    gateway.chat(stage.key)
    gateway.wait_ledger(2)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs, which only root may")
def test_a_full_disk_loses_no_line(stage):
    stage.engine()
    ledger = stage.gateway.root / "data/ledger"
    ledger.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(ledger)], check=True)
    try:
        gateway = stage.start()
        filler = ledger / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 512)
            except OSError:
                pass
        for _ in range(30):
            assert gateway.chat(stage.key).status == 200
        log = gateway.root / "gateway.log"
        wait_for("it says so", lambda: "ledger cannot be written" in log.read_text())
        filler.unlink()
        gateway.wait_ledger(30)
        assert gateway.stop() == 0
    finally:
        stage.gateway.stop(signal.SIGKILL)
        subprocess.run(["umount", str(ledger)], check=True)


def test_kills_of_the_engine_leave_one_line_for_each_request(stage):
    """Streams and plain requests over replicas that break at random moments."""
    broken = [0]

    def script(connection):
        number = connection.json["n"]
        kind = number % 5
        if connection.json["stream"]:
            connection.begin_stream()
            connection.event(parts.text_chunk("m", "one"))
            if kind == 1:
                broken[0] += 1
                return connection.close()
            connection.event(parts.usage_chunk("m", 1, 1))
            connection.event("[DONE]")
            connection.end_stream()
        elif kind == 2:
            broken[0] += 1
            connection.close()
        else:
            parts.well_behaved(connection)
    for name in ("a", "b", "c"):
        stage.engine(name, script)
    gateway = stage.start([stage.replica(n, slots=16) for n in stage.engines], max_queue=100)

    def ask(worker):
        for i in range(25):
            client = gateway.client()
            client.request("POST", "/v1/chat/completions", {"model": "m", "n": worker * 25 + i, "stream": i % 2 == 0}, stage.key)
            try:
                client.answer()
            except (OSError, EOFError):
                pass
            client.close()
    threads = [threading.Thread(target=ask, args=(w,)) for w in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    lines = gateway.wait_ledger(200)
    assert broken[0] > 0
    assert len({line["request_id"] for line in lines}) == 200

"""Parts around a gateway under test: keys, fleet maps, scripted engines, a scripted sustd, a client that sees bytes."""

import hashlib
import hmac
import json
import os
import secrets
import socket
import subprocess
import threading
import time
from pathlib import Path

from conftest import wait_for

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
SECRET = b"s" * 32


class Key:
    """A key as sustd makes it; `record` is what a fleet map holds of it."""

    def __init__(self, models=(), scopes=("inference",), name="test"):
        draw = lambda count: "".join(secrets.choice(ALPHABET) for _ in range(count))
        identity = draw(26)
        body = f"sust_{identity}_{draw(52)}"
        self.text = body + "_" + hashlib.sha256(body.encode()).hexdigest()[:8]
        self.id = "key-" + identity
        self.record = {
            "id": self.id, "name": name, "models": list(models), "scopes": list(scopes),
            "hmac": hmac.new(SECRET, self.text.encode(), hashlib.sha256).hexdigest(),
            "created": "2026-01-01T00:00:00.000Z",
        }


def replica(name, path, models=("m",), state="ready", slots=4, service="svc"):
    """`models` are names, or (name, engine name, selection) where they differ."""
    full = [m if isinstance(m, tuple) else (m, m, {}) for m in models]
    return {"id": name, "service": service, "engine": "fake", "socket": str(path), "state": state, "slots": slots,
            "models": [{"name": n, "engine_name": e, "select": s} for n, e, s in full]}


def fleet(version, replicas, keys, prompt_counter=None, models=None, **limits):
    """`models` are names of a service that has perhaps no replica; None: a map of before they were in it."""
    engine = {"private_fields": ["lora", "id_slot"]}
    if prompt_counter:
        engine["prompt_counter"] = prompt_counter
    offered = [{"name": name, "service": "svc", "created": "2026-01-02T03:04:05.678Z"} for name in models or ()]
    return {"format": 1, "version": version, "replicas": replicas, "engines": {"fake": engine},
            **({} if models is None else {"models": offered}),
            "keys": [key.record for key in keys],
            "limits": {"max_body_bytes": 1 << 20, "max_queue": 8, "queue_seconds": 5, **limits}}


class Connection:
    """One request at an engine, and every way to answer it."""

    def __init__(self, sock, head, body):
        self.sock, self.head, self.body = sock, head, body
        self.method, self.path = head.split(" ")[:2]
        try:
            self.json = json.loads(body) if body else None
        except ValueError:
            self.json = None

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def answer(self, status=200, body=None, content_type="application/json", extra=""):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        data = data.encode() if isinstance(data, str) else data
        self.send(f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{extra}Content-Length: {len(data)}\r\n\r\n".encode() + data)

    def begin_stream(self):
        self.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def event(self, value):
        self.chunk("data: " + (value if isinstance(value, str) else json.dumps(value)) + "\n\n")

    def end_stream(self):
        self.send("0\r\n\r\n")

    def close(self):
        """Ends the connection here and now; the script ends with it."""
        raise ConnectionError("closed by the script")

    def client_left(self, within=5.0):
        """Waits until the gateway closes the connection."""
        self.sock.settimeout(within)
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def text_chunk(model, text):
    return {"id": "x", "object": "chat.completion.chunk", "model": model, "choices": [{"index": 0, "delta": {"content": text}}]}


def usage_chunk(model, prompt, completion):
    return {"id": "x", "object": "chat.completion.chunk", "model": model, "choices": [],
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}}


def well_behaved(connection):
    """Answers as llama.cpp's server does."""
    ask = connection.json or {}
    model = ask.get("model")
    if connection.path not in ("/v1/chat/completions", "/v1/completions"):
        connection.answer(501, {"error": {"code": 501, "message": "not supported here", "type": "not_supported_error"}})
    elif ask.get("stream"):
        connection.begin_stream()
        for word in ("one", " two", " three"):
            connection.event(text_chunk(model, word))
        if (ask.get("stream_options") or {}).get("include_usage"):
            connection.event(usage_chunk(model, 7, 3))
        connection.event("[DONE]")
        connection.end_stream()
    else:
        connection.answer(body={"id": "x", "object": "chat.completion", "model": model, "seen": ask,
                                "choices": [{"index": 0, "message": {"role": "assistant", "content": "one two three"}}],
                                "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})


class Engine:
    """A scripted engine on a Unix socket. `script` is called with each Connection, on its own thread."""

    def __init__(self, path, script=well_behaved):
        self.path, self.script = Path(path), script
        self.requests = []  # (head, body) as they came
        self.now = 0  # being answered
        self.connections = set()
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        file = sock.makefile("rb")
        try:
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = file.readline()
                    if not line:
                        return
                    head += line
                length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
                body = file.read(length)
                with self.lock:
                    self.requests.append((head.decode(), body))
                    self.now += 1
                try:
                    self.script(Connection(sock, head.decode(), body))
                finally:
                    with self.lock:
                        self.now -= 1
        except OSError:
            pass
        finally:
            with self.lock:
                self.connections.discard(sock)
            file.close()
            sock.close()

    def bodies(self):
        return [json.loads(body) for _, body in self.requests if body]

    def close(self):
        """As kill -9 does: the socket refuses, what is open breaks."""
        self.listener.close()
        self.path.unlink(missing_ok=True)
        with self.lock:
            for sock in self.connections:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Sustd:
    """The fleet part of sustd's API: long polls, and what each gateway acknowledged."""

    def __init__(self, path):
        self.map = None
        self.acknowledged = {}
        self.changed = threading.Condition()
        self.engine = Engine(path, self._answer)

    def publish(self, fleet_map):
        with self.changed:
            self.map = fleet_map
            self.changed.notify_all()

    def _answer(self, connection):
        query = dict(part.split("=") for part in connection.path.split("?")[1].split("&"))
        after, gateway = int(query["after"]), query["gateway"]
        with self.changed:
            self.acknowledged[gateway] = after
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.map and self.map["version"] > after, timeout=int(query["wait"]))
            found = self.map if self.map and self.map["version"] > after else None
        if found:
            connection.answer(body=found)
        else:
            connection.send("HTTP/1.1 204 No Content\r\n\r\n")

    def wait_acknowledged(self, version, within=5.0):
        with self.changed:
            assert self.changed.wait_for(lambda: version in self.acknowledged.values(), timeout=within)

    def close(self):
        self.engine.close()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def events(self):
        """The data of each event; JSON where it is JSON."""
        data = [e[len("data: "):] for e in self.body.decode().split("\n\n") if e.startswith("data: ")]
        return [d if d == "[DONE]" else json.loads(d) for d in data]


class Client:
    """HTTP/1.1 with nothing hidden: raw bytes out, answers in, one connection."""

    def __init__(self, port, timeout=30):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def request(self, method, path, body=None, key=None, headers=()):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
        if key:
            head.append(f"Authorization: Bearer {key.text}")
        if body is not None:
            head.append(f"Content-Length: {len(data)}")
        self.send("\r\n".join(head).encode() + b"\r\n\r\n" + data)

    def head(self):
        line = self.file.readline()
        if not line:
            raise EOFError("closed before an answer")
        headers = {}
        for text in iter(self.file.readline, b"\r\n"):
            assert text, "closed within a head"
            name, value = text.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        return int(line.split()[1]), headers

    def chunk(self):
        """The next chunk, b"" at the end; EOFError if the connection was cut."""
        size = self.file.readline()
        if not size:
            raise EOFError("closed within a chunked body")
        data = self.file.read(int(size, 16))
        if self.file.readline() != b"\r\n":
            raise EOFError("closed within a chunk")
        return data

    def answer(self):
        status, headers = self.head()
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            for piece in iter(self.chunk, b""):
                body += piece
        elif "content-length" in headers:
            body = self.file.read(int(headers["content-length"]))
        else:
            body = self.file.read()
        return Answer(status, headers, body)

    def until_cut(self):
        """What comes of a stream until the connection ends without a last chunk."""
        body = b""
        try:
            while piece := self.chunk():
                body += piece
        except (EOFError, ConnectionError):
            return Answer(200, {}, body)
        raise AssertionError("the stream ended as if it were complete")

    def close(self):
        self.file.close()
        self.sock.close()


class Gateway:
    """The program, in a root of its own."""

    def __init__(self, binary, root, threads=2):
        self.binary, self.root, self.threads = binary, Path(root), threads
        self.process = None
        for part in ("data", "state", "run"):
            (self.root / part).mkdir(parents=True, exist_ok=True)
        (self.root / "data/keys.secret").write_bytes(SECRET)

    def keep_map(self, fleet_map):
        """The map that the next start begins with."""
        (self.root / "state/fleet.json").write_text(json.dumps(fleet_map))

    def start(self, *arguments):
        (self.root / "run/gateway.json").unlink(missing_ok=True)
        log = open(self.root / "gateway.log", "ab")
        self.process = subprocess.Popen(
            [str(self.binary), "--root", str(self.root), "--listen", "127.0.0.1:0", "--threads", str(self.threads), *arguments],
            stderr=log, stdin=subprocess.DEVNULL)
        log.close()

        def published():
            assert self.process.poll() is None, (self.root / "gateway.log").read_text()
            path = self.root / "run/gateway.json"
            return path.exists() and json.loads(path.read_text())

        self.port = wait_for("the gateway's port", published)["port"]
        return self

    def client(self, **options):
        return Client(self.port, **options)

    def ask(self, method, path, body=None, key=None, headers=()):
        client = self.client()
        try:
            client.request(method, path, body, key, headers)
            return client.answer()
        finally:
            client.close()

    def chat(self, key, model="m", **fields):
        return self.ask("POST", "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}, key)

    def ledger(self):
        lines = []
        for path in sorted((self.root / "data/ledger").glob("*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines

    def wait_ledger(self, count, within=10):
        wait_for(f"{count} lines in the ledger", lambda: len(self.ledger()) >= count, within)
        found = self.ledger()
        assert len(found) == count, found
        return found

    def metrics(self, key):
        answer = self.ask("GET", "/metrics", key=key)
        assert answer.status == 200, answer.body
        lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def stop(self, signal=15, within=40):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal)
            self.process.wait(within)
        return self.process.returncode if self.process else None

"""sustd by itself: its API on a socket, ends of every kind, disks and files that are not right."""

import hashlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest
from conftest import wait_for

pytestmark = pytest.mark.box


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("sust", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """A sustd with a root of its own; started and killed as the test wants."""

    def __init__(self, build, root, prefix=()):
        self.build, self.root, self.prefix = build, root, list(prefix)
        self.process = None

    @property
    def socket(self):
        return self.root / "run/api.sock"

    def spawn(self, **options):
        return subprocess.Popen([*self.prefix, str(self.build / "bin/sustd"), "--root", str(self.root)],
                                stderr=subprocess.PIPE, text=True, **options)

    def start(self):
        self.process = self.spawn()
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        wait_for("sustd answers", self.healthy)
        return self

    def healthy(self):
        assert self.process.poll() is None, "sustd ended"
        try:
            return self.ask("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait(30)

    def ask(self, method, target, body=None, headers=None):
        connection = Connection(self.socket)
        try:
            data = json.dumps(body) if isinstance(body, dict) else body
            connection.request(method, target, data, headers or {})
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text.startswith(b"{") else text
        finally:
            connection.close()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()


@pytest.fixture
def make_daemon(build, short_tmp):
    made = []

    def make(prefix=()):
        made.append(Daemon(build, short_tmp / "root", prefix))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def daemon(make_daemon):
    return make_daemon().start()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def names(daemon, collection):
    return [item["name"] for item in daemon.ask("GET", f"/api/v1/{collection}")[1]["items"]]


def test_a_second_sustd_on_one_root_refuses(daemon):
    second = daemon.spawn()
    _, words = second.communicate(timeout=30)
    assert second.returncode == 5
    assert "another sustd" in words and "sust down" in words
    assert daemon.healthy()


def test_sigterm_stops_at_once_while_gateways_and_uploads_wait(daemon):
    version = daemon.ask("GET", "/api/v1/fleet?wait=0")[1]["version"]
    waiting = Connection(daemon.socket)
    waiting.request("GET", f"/api/v1/fleet?wait=60&after={version}")
    upload = Connection(daemon.socket)
    upload.putrequest("PUT", f"/api/v1/blobs/{digest(b'never')}")
    upload.putheader("Content-Length", "1000000")
    upload.putheader("Expect", "100-continue")
    upload.endheaders()
    assert upload.sock.recv(100).startswith(b"HTTP/1.1 100")
    upload.send(b"some")
    assert daemon.kill(signal.SIGTERM) == 0
    assert waiting.getresponse().status == 204
    assert not daemon.socket.exists()


def test_a_kill_during_an_upload_leaves_nothing_and_the_upload_works_again(daemon):
    data = os.urandom(3 << 20)
    upload = Connection(daemon.socket)
    upload.putrequest("PUT", f"/api/v1/blobs/{digest(data)}")
    upload.putheader("Content-Length", str(len(data)))
    upload.endheaders()
    upload.send(data[: 2 << 20])
    daemon.kill()
    daemon.start()
    assert daemon.ask("GET", f"/api/v1/blobs/{digest(data)}")[0] == 404
    assert daemon.ask("PUT", f"/api/v1/blobs/{digest(data)}", data)[0] == 201
    assert daemon.ask("GET", f"/api/v1/blobs/{digest(data)}") == (200, data)


def test_what_was_answered_is_there_after_a_kill(daemon):
    answered, version = [], 0
    for number in range(8):
        status, made = daemon.ask("POST", "/api/v1/keys", {"name": f"key{number}"})
        assert status == 201
        answered.append(made["id"])
        daemon.kill()
        daemon.start()
        listed = daemon.ask("GET", "/api/v1/keys")[1]["items"]
        assert sorted(key["id"] for key in listed) == sorted(answered)
        fleet = daemon.ask("GET", "/api/v1/fleet?wait=0")[1]
        assert len(fleet["keys"]) == len(answered)
        assert fleet["version"] > version, "a gateway would miss the new key"
        version = fleet["version"]


@pytest.mark.parametrize("moment", range(6))
def test_a_kill_while_a_dataset_is_made_leaves_all_of_it_or_nothing(daemon, moment):
    lines = b"".join(b'{"messages":[{"role":"user","content":"%d"},{"role":"assistant","content":"a"}]}\n' % n
                     for n in range(20_000))
    file = {"path": "train.jsonl", "digest": digest(lines), "bytes": len(lines)}
    assert daemon.ask("PUT", f"/api/v1/blobs/{file['digest']}", lines)[0] == 201
    creation = Connection(daemon.socket)
    creation.request("POST", "/api/v1/datasets", json.dumps({"name": "d", "files": [file]}))
    threading.Event().wait(0.004 * moment)  # another moment of the work each time
    daemon.kill()
    daemon.start()
    there = names(daemon, "datasets")
    assert there in ([], ["d"])
    status, made = daemon.ask("POST", "/api/v1/datasets", {"name": "d", "files": [file]})
    assert (status, made["lines"]) == (201, 20_000)
    assert names(daemon, "datasets") == ["d"]


def test_many_clients_at_once_are_all_answered(daemon):
    statuses = []

    def client(number):
        data = f"bytes of {number}".encode() * 1000
        statuses.append(daemon.ask("PUT", f"/api/v1/blobs/{digest(data)}", data)[0])
        statuses.append(daemon.ask("GET", "/api/v1/models")[0])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(statuses)) == [200, 201] and len(statuses) == 80


def test_bad_bytes_on_the_socket_harm_nobody(daemon):
    for words in (b"\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET", b"",
                  b"POST /api/v1/keys HTTP/1.1\r\nContent-Length: 5\r\n\r\n[[[[["):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(daemon.socket))
            stranger.sendall(words)
    assert daemon.healthy()


def test_a_database_of_a_later_version_is_refused(make_daemon):
    daemon = make_daemon().start()
    daemon.kill(signal.SIGTERM)
    with sqlite3.connect(daemon.root / "data/sust.db") as database:
        database.execute("UPDATE migrations SET step = 99 WHERE module = 'control'")
    later = daemon.spawn()
    _, words = later.communicate(timeout=30)
    assert later.returncode == 5
    assert "99" in words and "sust.db" in words


def test_a_file_that_is_no_database_is_named_and_kept(make_daemon):
    daemon = make_daemon()
    (daemon.root / "data").mkdir(parents=True)
    file = daemon.root / "data/sust.db"
    file.write_bytes(b"this is somebody's diary" * 100)
    process = daemon.spawn()
    _, words = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "sust.db" in words
    assert file.read_bytes().startswith(b"this is somebody's diary")


def test_a_full_disk_refuses_uploads_and_nothing_else(make_daemon):
    """On a tmpfs of 96 MiB that only this sustd sees, so that it goes with the process."""
    private = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    script = 'mkdir -p "$2/data" && mount -t tmpfs -o size=96m none "$2/data" && exec "$@"'
    make = make_daemon()
    make.prefix = [*private, "sh", "-c", script.replace("$2", str(make.root)), "sh"]
    daemon = make.start()
    data = os.urandom(20 << 20)
    assert daemon.ask("PUT", f"/api/v1/blobs/{digest(data)}", data)[0] == 201
    more = os.urandom(20 << 20)
    status, answer = daemon.ask("PUT", f"/api/v1/blobs/{digest(more)}", more)
    assert status == 507
    assert answer["error"]["fault"] == "exhausted" and "gc" in answer["error"]["hint"]
    # Without a length nobody can know before the disk is full.
    pieces = (b"x" * (1 << 20) for _ in range(90))
    connection = Connection(daemon.socket)
    try:
        connection.request("PUT", f"/api/v1/blobs/{digest(b'?')}", pieces, encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        assert connection.getresponse().status == 507
    except (BrokenPipeError, ConnectionResetError):
        assert connection.getresponse().status == 507
    assert daemon.ask("GET", "/api/v1/status")[0] == 200
    status, _ = daemon.ask("POST", "/api/v1/gc", {"grace_seconds": 0})
    assert status == 200
    assert daemon.ask("POST", "/api/v1/keys", {"name": "after"})[0] == 201
    assert daemon.ask("PUT", f"/api/v1/blobs/{digest(more)}", more)[0] == 201


def test_a_stranger_is_denied(daemon):
    if os.geteuid() != 0:
        pytest.skip("only root can take another user's identity")
    (daemon.root / "run").chmod(0o755)
    daemon.root.chmod(0o755)
    daemon.root.parent.chmod(0o755)
    daemon.socket.chmod(0o666)
    script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
              "s.sendall(sys.argv[2].encode()); print(s.recv(100).decode())")

    def as_nobody(target):
        words = f"GET {target} HTTP/1.1\r\n\r\n"
        return subprocess.run(["/usr/bin/python3", "-c", script, str(daemon.socket), words], user=65534,
                              capture_output=True, text=True, timeout=30).stdout

    assert as_nobody("/api/v1/status").startswith("HTTP/1.1 403")
    assert as_nobody("/healthz").startswith("HTTP/1.1 200")

"""Uploads that go wrong: nothing half-written is ever visible, and nothing is left."""

import os
import socket
import subprocess
import threading

import pytest

from conftest import wait_for
from store import parts

pytestmark = pytest.mark.box

MEGABYTE = bytes(range(256)) * 4096


def begin_upload(daemon, data, send):
    """A connection that announced `data` and sent the first `send` bytes of it."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(str(daemon.socket))
    connection.sendall(f"PUT /api/v1/blobs/{parts.digest_of(data)} HTTP/1.1\r\nHost: localhost\r\n"
                       f"Content-Length: {len(data)}\r\n\r\n".encode() + data[:send])
    wait_for("the upload to begin", lambda: daemon.temporary())
    return connection


def hex_of(data):
    return parts.digest_of(data).split(":")[1]


def test_an_upload_is_there_when_it_is_answered(daemon):
    answer = daemon.put(MEGABYTE)
    assert answer.status == 201
    assert answer.json == {"digest": parts.digest_of(MEGABYTE), "bytes": len(MEGABYTE)}
    assert daemon.call("GET", f"/api/v1/blobs/{parts.digest_of(MEGABYTE)}").body == MEGABYTE
    assert daemon.put(b"").status == 201


def test_other_bytes_than_announced_are_refused(daemon):
    answer = daemon.put(b"these", digest=parts.digest_of(b"those"))
    assert answer.status == 409
    assert answer.error["fault"] == "conflict"
    assert parts.digest_of(b"those") in answer.error["message"]
    assert daemon.blobs() == set() and daemon.temporary() == []


@pytest.mark.parametrize("digest", ["sha256:short", "sha512:" + "0" * 128, "sha256:" + "A" * 64, "..%2f..%2findex.json"])
def test_what_is_no_digest_is_refused(daemon, digest):
    assert daemon.call("PUT", f"/api/v1/blobs/{digest}", b"x").status == 400
    assert daemon.blobs() == set()


def test_an_upload_whose_client_goes_away_leaves_nothing(daemon):
    connection = begin_upload(daemon, MEGABYTE, send=len(MEGABYTE) // 2)
    assert daemon.blobs() == set()
    connection.close()
    wait_for("the upload to be dropped", lambda: not daemon.temporary())
    assert daemon.blobs() == set()


def test_a_daemon_killed_in_the_middle_leaves_what_a_collection_removes(daemon):
    connection = begin_upload(daemon, MEGABYTE, send=len(MEGABYTE) // 2)
    daemon.kill()
    connection.close()
    assert daemon.blobs() == set() and len(daemon.temporary()) == 1
    daemon.start()
    assert daemon.collect(dry_run=True)["temporary_files"] == 1
    assert daemon.collect()["temporary_files"] == 1
    assert daemon.temporary() == []
    assert daemon.put(MEGABYTE).status == 201


def test_a_collection_leaves_an_upload_in_progress_alone(daemon):
    connection = begin_upload(daemon, MEGABYTE, send=1000)
    assert daemon.collect()["temporary_files"] == 0
    connection.sendall(MEGABYTE[1000:])
    assert b" 201 " in connection.recv(4096).split(b"\r\n")[0]
    connection.close()
    assert daemon.blobs() == {hex_of(MEGABYTE)}


def test_many_uploads_of_one_blob_are_one_blob(daemon):
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(daemon.put(MEGABYTE).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 8
    assert daemon.blobs() == {hex_of(MEGABYTE)} and daemon.temporary() == []


def test_a_damaged_blob_is_told_and_mended_by_another_upload(daemon):
    model = daemon.import_model("tiny", {"model.gguf": parts.gguf(b"weights")})
    file = daemon.store / "blobs/sha256" / model["digest"].split(":")[1]
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole.replace(b"gguf", b"gguF"), b""):
        file.chmod(0o644)
        file.write_bytes(damaged)
        listed, = daemon.call("GET", "/api/v1/models").json["items"]
        assert "damaged" in listed["damage"] and listed["kind"] == "model"
        assert daemon.call("POST", "/api/v1/gc", {"grace_seconds": 0}).status == 500, "nobody knows what it needs"
        daemon.import_model("tiny", {"model.gguf": parts.gguf(b"weights")})
        listed, = daemon.call("GET", "/api/v1/models").json["items"]
        assert "damage" not in listed
    assert file.read_bytes() == whole


def test_a_damaged_index_is_told_and_not_written_over(daemon):
    daemon.import_model("tiny", {"model.gguf": parts.gguf(b"weights")})
    index = daemon.store / "index.json"
    whole = index.read_bytes()
    index.write_bytes(whole[:-10])
    answer = daemon.call("GET", "/api/v1/models")
    assert answer.status == 500
    assert "index.json is damaged" in answer.error["message"] and "index.json.previous" in answer.error["hint"]
    uploaded = daemon.upload("model.gguf", parts.gguf(b"other"))
    assert daemon.call("POST", "/api/v1/models", {"name": "other", "files": [uploaded]}).status == 500
    assert index.read_bytes() == whole[:-10]
    index.write_bytes(whole)
    assert [model["name"] for model in daemon.call("GET", "/api/v1/models").json["items"]] == ["tiny"]


@pytest.fixture
def small_disk(sust):
    """A disk of 96 MiB under the root; needs root to mount it."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small tmpfs")
    sust.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", sust.root], check=True)
    daemon = parts.Daemon(sust)
    yield daemon
    daemon.close()
    subprocess.run(["umount", sust.root], check=True)


def test_a_full_disk_is_exhausted_and_everything_before_is_there(small_disk):
    daemon = small_disk.start()
    daemon.import_model("tiny", {"model.gguf": parts.gguf(MEGABYTE)})
    ballast = daemon.root / "ballast"
    free = os.statvfs(daemon.root).f_bavail * os.statvfs(daemon.root).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - (256 << 10))
    refused = daemon.put(MEGABYTE[1:] * 8)
    assert refused.status == 507
    assert refused.error["fault"] == "exhausted"
    assert daemon.temporary() == []
    kept, = daemon.call("GET", "/api/v1/models").json["items"]
    assert kept["name"] == "tiny" and "damage" not in kept
    ballast.unlink()
    assert daemon.put(MEGABYTE[1:] * 8).status == 201


def test_a_disk_that_fills_during_uploads_leaves_only_whole_blobs(small_disk):
    """Without an announced length, so that nothing is refused before it is written."""
    daemon = small_disk.start()
    statuses = []

    def upload(i):
        data = bytes([i]) + MEGABYTE * 12
        pieces = (data[at:at + len(MEGABYTE)] for at in range(0, len(data), len(MEGABYTE)))
        connection = parts.UnixConnection(daemon.socket, 60)
        try:
            connection.request("PUT", f"/api/v1/blobs/{parts.digest_of(data)}", pieces, encode_chunked=True,
                               headers={"Transfer-Encoding": "chunked"})
            statuses.append(connection.getresponse().status)
        except OSError:
            statuses.append(507)  # answered and closed while we were still sending
        finally:
            connection.close()

    threads = [threading.Thread(target=upload, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 507} and 507 in statuses
    wait_for("refused uploads to be dropped", lambda: not daemon.temporary())
    layout = parts.Layout(daemon.store)
    assert len(daemon.blobs()) == statuses.count(201)
    for name in daemon.blobs():
        layout.blob("sha256:" + name)
    assert daemon.call("GET", "/api/v1/models").status == 200

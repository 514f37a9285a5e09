"""A control daemon of its own, its API as bytes on its socket, and the store that it keeps."""

import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from conftest import wait_for


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


REF_NAME = "org.opencontainers.image.ref.name"



def safetensors(data):
    """A weight file of one tensor with these bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}).encode()
    return len(header).to_bytes(8, "little") + header + data


def gguf(data):
    """A GGUF head of no tensors and no keys, and bytes behind it."""
    return b"GGUF" + (3).to_bytes(4, "little") + bytes(16) + data


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Answer:
    def __init__(self, status, body):
        self.status = status
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Daemon:
    """sustd alone, in the foreground; close() ends it, start() may follow."""

    def __init__(self, sust):
        self.sust = sust
        self.root = sust.root
        self.socket = self.root / "run/api.sock"
        self.store = self.root / "data/store"
        self.log = self.root.with_suffix(".log")
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.sust.build / "bin/sustd", "--root", self.root],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.sust.environment)
        wait_for("sustd to answer", self.is_up)
        return self

    def is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.call("GET", "/healthz", timeout=5).status == 200
        except OSError:
            return False

    def call(self, method, target, body=None, headers=None, timeout=60):
        connection = UnixConnection(self.socket, timeout)
        try:
            if isinstance(body, dict):
                body = json.dumps(body)
                headers = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def put(self, data, digest=None):
        return self.call("PUT", f"/api/v1/blobs/{digest or digest_of(data)}", data)

    def upload(self, path, data):
        answer = self.put(data)
        assert answer.status == 201, answer.body
        return {"path": path, "digest": answer.json["digest"], "bytes": len(data)}

    def import_model(self, name, files, **more):
        """`files` is {path: bytes}."""
        uploaded = [self.upload(path, data) for path, data in files.items()]
        answer = self.call("POST", "/api/v1/models", {"name": name, "files": uploaded, **more})
        assert answer.status == 201, answer.body
        return answer.json

    def collect(self, grace_seconds=0, dry_run=False):
        answer = self.call("POST", "/api/v1/gc", {"grace_seconds": grace_seconds, "dry_run": dry_run})
        assert answer.status == 200, answer.body
        return answer.json

    def blobs(self):
        return {path.name for path in (self.store / "blobs/sha256").iterdir()}

    def temporary(self):
        folder = self.store / "tmp"
        return list(folder.iterdir()) if folder.exists() else []

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


def model_path(name):
    return f"/api/v1/models/{quote(name, safe='')}"


def skopeo(*arguments):
    done = subprocess.run(["skopeo", "--insecure-policy", *map(str, arguments)], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, f"skopeo {' '.join(map(str, arguments))}\n{done.stderr}"
    return done.stdout


class Layout:
    """An image layout read by its specification, without our code."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def blob(self, digest):
        data = (self.folder / "blobs" / digest.replace(":", "/")).read_bytes()
        assert digest_of(data) == digest
        return data

    def json(self, digest):
        return json.loads(self.blob(digest))

    def index(self):
        return json.loads((self.folder / "index.json").read_text())

    def named(self, name):
        """The descriptor of the one manifest with that name."""
        found, = (entry for entry in self.index()["manifests"]
                  if entry.get("annotations", {}).get(REF_NAME) == name)
        return found

    def manifest(self, name):
        return self.json(self.named(name)["digest"])

    def names(self):
        return [entry["annotations"][REF_NAME] for entry in self.index()["manifests"]]

    def put(self, data, media_type, **more):
        (self.folder / "blobs/sha256" / digest_of(data).split(":")[1]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}

    def attach(self, name, statement):
        """A statement as a referrer of the named artifact, listed under OCI's tag schema."""
        subject = {key: self.named(name)[key] for key in ("mediaType", "digest", "size")}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "artifactType": "application/vnd.in-toto+json",
                    "config": self.put(b"{}", "application/vnd.oci.empty.v1+json"),
                    "layers": [self.put(json.dumps(statement).encode(), "application/vnd.in-toto+json")],
                    "subject": subject}
        tag = subject["digest"].replace(":", "-")
        before = self.json(self.named(tag)["digest"])["manifests"] if tag in self.names() else []
        entry = self.put(json.dumps(manifest).encode(), manifest["mediaType"], artifactType=manifest["artifactType"])
        listed = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                  "manifests": [*before, entry]}
        index = self.index()
        index["manifests"] = [one for one in index["manifests"] if one["annotations"].get(REF_NAME) != tag]
        index["manifests"].append(self.put(json.dumps(listed).encode(), listed["mediaType"],
                                           annotations={REF_NAME: tag}))
        (self.folder / "index.json").write_text(json.dumps(index))

"""A service of the real engine behind the real gateway, with adapters that are quick to make."""

import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from conftest import Sust, wait_for
from fleet.gguf import write_adapter
from labs.images import lend_images
from processes import processes_of


class Api:
    """The control API over its Unix socket."""

    def __init__(self, socket_path):
        self.socket_path = str(socket_path)

    def ask(self, method, path, body=b"", expect=(200, 201, 202)):
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(self.socket_path)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status in expect, f"{method} {path}: {answer.status} {text.decode()}"
        return json.loads(text) if text else None

    def keep(self, name, folder, base=None):
        """Registers the folder's files under the name; an adapter if it has a base."""
        files = []
        for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            data = path.read_bytes()
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            self.ask("PUT", f"/api/v1/blobs/{digest}", data)
            files.append({"path": str(path.relative_to(folder)), "digest": digest, "bytes": len(data)})
        said = {"name": name, "files": files}
        return self.ask("POST", "/api/v1/models", said | ({"base": base} if base else {}))


class Service:
    """A root that is up, with a base, and what a test asks of its service."""

    def __init__(self, sust, tmp, base_folder):
        self.sust, self.tmp, self.file = sust, tmp, tmp / "service.toml"
        self.endpoint = sust.up()
        self.api = Api(sust.root / "run/api.sock")
        self.config = json.loads((base_folder / "config.json").read_text())
        self.api.keep("tiny", base_folder)
        self.key = sust.json("key", "create", "--name", "test")["key"]

    def adapter(self, name, seed):
        folder = self.tmp / f"{name}-{seed}"
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4}))
        write_adapter(folder / "adapter.gguf", self.config, seed)
        return self.api.keep(name, folder, base="tiny")

    def write(self, **keys):
        said = {"name": "demo", "base": "tiny", "adapters": [], "context": 512, "slots": 2} | keys
        self.file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items()))

    def apply(self, check=True, **keys):
        self.write(**keys)
        return self.sust.run("serve", "apply", self.file, check=check, timeout=300)

    def show(self):
        return self.sust.json("serve", "show", "demo")

    def ready(self, count=2, within=120):
        def look():
            shown = self.api.ask("GET", "/api/v1/services/demo")
            return shown if shown["state"] == "ready" and shown["ready"] == count else None
        return wait_for(f"{count} ready replicas", look, within)

    def ask(self, model, text, tokens=16):
        """(status, answer) of one chat request through the gateway."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": tokens,
                "temperature": 0}
        request = urllib.request.Request(self.endpoint + "/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stream(self, model, text, tokens=16):
        """(status, answer) of one streamed request; a stream that was cut short is status 0."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": tokens,
                "temperature": 0, "stream": True}
        request = urllib.request.Request(self.endpoint + "/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"})
        said, done = "", False
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                for line in answer:
                    if line.startswith(b"data: {"):
                        event = json.loads(line[6:])
                        if "error" in event:
                            return 0, json.dumps(event)
                        for choice in event["choices"]:
                            said += choice["delta"].get("content") or ""
                    done = done or line.startswith(b"data: [DONE]")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        return (200 if done else 0), said

    def engines(self):
        """{replica id: pid} of the engine processes; the wrappers name the same sockets."""
        replicas = [replica["id"] for replica in self.show()["replicas"]]
        found = {}
        for pid, _ in processes_of("/sust/run/engine.sock"):
            with open(f"/proc/{pid}/comm") as comm:
                if comm.read().strip() != "llama-server":
                    continue
            with open(f"/proc/{pid}/mountinfo") as mounts:
                told = mounts.read()
            found.update({replica: pid for replica in replicas if f"/{replica} /sust/run" in told})
        return found

    def kill(self, pid):
        os.kill(pid, signal.SIGKILL)

    def kill_sustd(self, then=lambda: None):
        """kill -9, and waits until the supervisor has a new one that answers."""
        old = self.sust.pid("sustd")
        self.kill(old)
        then()

        def answers():
            try:
                return self.sust.pid("sustd") != old and self.api.ask("GET", "/api/v1/services") is not None
            except (OSError, http.client.HTTPException, ValueError):
                return False
        wait_for("sustd is back", answers)


@pytest.fixture(scope="session")
def base_folder(build, lab_images, tmp_path_factory, repository):
    """The tiny base with its GGUF beside it, converted once by the real recipe."""
    root = tmp_path_factory.mktemp("g") / "r"
    lend_images(lab_images, root)
    sust = Sust(build, root)
    try:
        sust.up()
        sust.run("model", "import", repository / "models/tiny", "--name", "tiny")
        sust.run("tune", "start", "to-gguf", "--base", "tiny", "--follow", timeout=300)
        converted = Api(root / "run/api.sock").ask("GET", "/api/v1/models/" + quote("tiny/gguf", safe=""))
        digest = next(file["digest"] for file in converted["files"] if file["path"].endswith(".gguf"))
        folder = tmp_path_factory.mktemp("base") / "tiny"
        shutil.copytree(repository / "models/tiny", folder, ignore=shutil.ignore_patterns("data"))
        shutil.copy(root / "data/store/blobs/sha256" / digest.removeprefix("sha256:"), folder / "base.gguf")
        return folder
    finally:
        sust.close()


@pytest.fixture
def service(sust, lab_images, base_folder, tmp_path):
    lend_images(lab_images, sust.root)
    return Service(sust, tmp_path, base_folder)

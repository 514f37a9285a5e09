"""A simulated site of a test: `sust simulate` as its own process, and what is said to it."""

import http.client
import json
import signal
import socket
import subprocess
from pathlib import Path



class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("site", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


class Site:
    def __init__(self, build: Path, folder: Path, text: str):
        self.build, self.folder = build, folder
        folder.mkdir(exist_ok=True)
        self.file, self.socket = folder / "SITE.toml", folder / "site.sock"
        self.file.write_text(text)
        self.process = None

    def start(self, *words):
        self.process = subprocess.Popen(
            [str(self.build / "bin/sust"), "--json", "simulate", str(self.file), "--socket", str(self.socket), *words],
            stdout=subprocess.PIPE, stderr=open(self.folder / "site.err", "ab"), text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder)})
        line = self.process.stdout.readline()
        assert line, (self.folder / "site.err").read_text()
        assert json.loads(line)["ready"]
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """Ctrl-C: its report."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        return json.loads(out.splitlines()[-1])

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()

    def call(self, method, target, body=None, timeout=30):
        connection = Connection(self.socket, timeout)
        try:
            connection.request(method, target, body=None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(answer.status, text)
        return json.loads(text)

    def status(self):
        return self.call("GET", "/v1/simulation")

    def advance(self, by):
        return self.call("POST", "/v1/simulation/advance", {"by": by})

    def mishap(self, do, **words):
        return self.call("POST", "/v1/simulation/mishaps", {"do": do, **{k.rstrip("_"): v for k, v in words.items()}})

    def jobs(self):
        return self.call("GET", "/v1/jobs")["jobs"]

    def job(self, token):
        return next((job for job in self.jobs() if job["token"] == token), None)

    def events(self):
        return self.call("GET", "/v1/simulation/events?limit=10000")["events"]


def connect(sust, site, name="plan", **keys):
    """Says the site in backends.toml; before `sust up`. The directory of its jobs."""
    shared = sust.root / "shared"
    shared.mkdir(parents=True, exist_ok=True)
    (sust.root / "config").mkdir(exist_ok=True)
    words = {"period": "100ms", "carrier_grace": "500ms", "silence": "15s", "patience": "2s", **keys}
    (sust.root / "config/backends.toml").write_text(
        f'[backend.{name}]\ntype = "simulated"\nsocket = "{site.socket}"\njobs = "{shared}"\n'
        + "".join(f'{key} = "{value}"\n' for key, value in words.items()))
    return shared

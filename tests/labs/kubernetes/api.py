"""The Kubernetes API for tests: JSON in, JSON out, nothing hidden."""

import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlencode, urlsplit

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Refused(Exception):
    """The API server's Status object, for every answer of 400 and above."""

    def __init__(self, method: str, path: str, code: int, status):
        message = status.get("message", status) if isinstance(status, dict) else status
        super().__init__(f"{method} {path}: {code} {message}")
        self.code = code
        self.reason = status.get("reason", "") if isinstance(status, dict) else ""


class Api:
    """One user's view. Each call has a connection of its own: threads may share an Api."""

    def __init__(self, server: str, authority: Path, token="", certificate=None, timeout=20):
        self.address = urlsplit(server)
        self.trust = ssl.create_default_context(cafile=str(authority))
        if certificate:
            self.trust.load_cert_chain(*map(str, certificate))
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.timeout = timeout

    def one_connection(self):
        """The same user's view for one thread that calls often."""
        other = OneConnection.__new__(OneConnection)
        other.__dict__.update(self.__dict__)
        return other

    def connect(self, timeout):
        return http.client.HTTPSConnection(self.address.hostname, self.address.port, context=self.trust,
                                           timeout=timeout)

    def finish(self, connection):
        connection.close()

    def send(self, method: str, path: str, body=None, kind="application/json", timeout=None):
        """(connection, answer) of a call; the caller reads and closes."""
        connection = self.connect(timeout or self.timeout)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {**self.headers, **({"Content-Type": kind} if body else {})})
        return connection, connection.getresponse()

    def call(self, method: str, path: str, body=None, kind="application/json", **query):
        """The object in the answer, or its text where it is not JSON; Refused from 400 on."""
        if query:
            path += "?" + urlencode(query)
        connection, answer = self.send(method, path, body, kind)
        try:
            text = answer.read().decode(errors="replace")
        finally:
            self.finish(connection)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        found = json.loads(text) if is_json else text
        if answer.status >= 400:
            raise Refused(method, path, answer.status, found)
        return found

    def get(self, path: str, **query):
        return self.call("GET", path, **query)

    def create(self, path: str, body: dict):
        return self.call("POST", path, body)

    def patch(self, path: str, body: dict, kind=MERGE, **query):
        return self.call("PATCH", path, body, kind, **query)

    def delete(self, path: str, **query):
        return self.call("DELETE", path, **query)

    def look(self, path: str):
        """The object, or None when it is not there or the server is away: for wait_for."""
        try:
            return self.get(path)
        except Refused as refused:
            if refused.code in (404, 429, 500, 503):
                return None
            raise
        except (OSError, http.client.HTTPException):
            return None

    def watch(self, path: str, seconds=30, **query):
        """Events until the server ends the watch; ConnectionError when it broke instead."""
        words = urlencode({"watch": "1", "timeoutSeconds": seconds, **query})
        connection, answer = self.send("GET", f"{path}?{words}", timeout=seconds + 10)
        try:
            if answer.status >= 400:
                raise Refused("WATCH", path, answer.status, json.loads(answer.read()))
            yield from map(json.loads, lines_of(answer))
        finally:
            connection.close()


def lines_of(answer):
    """The lines of a chunked answer. http.client takes a stream that broke for one that ended."""
    rest = b""
    while True:
        head = answer.fp.readline()
        size = int(head, 16) if head.endswith(b"\n") else -1
        if size == 0:
            return
        block = answer.fp.read(size + 2) if size > 0 else b""
        if len(block) < size + 2:
            raise ConnectionResetError("the watch broke")
        *whole, rest = (rest + block[:-2]).split(b"\n")
        yield from whole


class OneConnection(Api):
    """An Api of one thread that calls often: a handshake costs more than its call."""

    kept = None

    def connect(self, timeout):
        self.kept = self.kept or super().connect(timeout)
        return self.kept

    def finish(self, connection):
        pass

    def send(self, *words, **options):
        try:
            return super().send(*words, **options)
        except (OSError, http.client.HTTPException):
            self.kept.close()
            self.kept = None
            raise


def pod(name: str, image: str, command=None, **specification) -> dict:
    """A pod of one container that is not restarted; `specification` is added to the spec."""
    container = {"name": "main", "image": image, "terminationMessagePath": "/dev/termination-log"}
    if command:
        container["command"] = command
    container.update(specification.pop("container", {}))
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container],
                     **specification}}

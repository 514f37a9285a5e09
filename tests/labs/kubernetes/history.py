"""Making the past unreachable: an old resourceVersion is answered with 410 Gone afterwards."""

import base64
import json
import urllib.request


def etcd_call(port: int, path: str, body: dict) -> dict:
    """etcd's own JSON interface, so that no client program is needed."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def compact(port: int) -> int:
    """Drops every revision but the newest from etcd; returns that revision."""
    key = base64.b64encode(b"none").decode()
    revision = int(etcd_call(port, "/v3/kv/range", {"key": key})["header"]["revision"])
    etcd_call(port, "/v3/kv/compaction", {"revision": revision, "physical": True})
    return revision

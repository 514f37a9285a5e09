"""A root file system as an OCI archive that `ctr images import` takes: images without a registry."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def digest_of(file: Path) -> str:
    with open(file, "rb") as opened:
        digest = hashlib.sha256()
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_archive(archive: Path, name: str, root: Path, command, environment=()) -> Path:
    """`name` is NAME:TAG as pods write it. The one layer is the folder as it is, owners included."""
    layer = archive.with_suffix(".layer")
    with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as packed:
        packed.add(root, ".")
    try:
        write_around(layer, archive, name, {"Cmd": list(command), "Env": [PATH, *environment]})
    finally:
        layer.unlink()
    return archive


def write_around(layer: Path, archive: Path, name: str, run: dict):
    digest = digest_of(layer)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": run,
                         "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described(config, CONFIG),
                           "layers": [{"mediaType": LAYER, "digest": f"sha256:{digest}",
                                       "size": layer.stat().st_size}]}).encode()
    entry = {**described(manifest, MANIFEST), "annotations": {"io.containerd.image.name": name}}
    with tarfile.open(archive, "w") as packed:
        put(packed, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        put(packed, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        for blob in (config, manifest):
            put(packed, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        packed.add(layer, f"blobs/sha256/{digest}")


def described(blob: bytes, kind: str) -> dict:
    return {"mediaType": kind, "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}


def put(packed, name: str, content: bytes):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    packed.addfile(entry, io.BytesIO(content))

import os
from pathlib import Path

import pytest

from gateway import parts

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def gateway_binary():
    binary = Path(os.environ.get("SUST_BUILD", REPOSITORY / "build/release")).resolve() / "bin/sust-gateway"
    assert binary.exists(), f"{binary} is not there; run tools/build"
    return binary


class Stage:
    """A gateway, engines by name and keys; everything ends with the test."""

    def __init__(self, binary, root):
        self.root = root
        self.gateway = parts.Gateway(binary, root / "g")
        self.key = parts.Key(scopes=("inference", "metrics"))
        self.keys = [self.key]
        self.engines = {}
        self.things = []

    def engine(self, name="r1", script=parts.well_behaved):
        self.engines[name] = parts.Engine(self.root / f"{name}.sock", script)
        return self.engines[name]

    def sustd(self):
        sustd = parts.Sustd(self.gateway.root / "run/api.sock")
        self.things.append(sustd)
        return sustd

    def replica(self, name="r1", **facts):
        return parts.replica(name, self.root / f"{name}.sock", **facts)

    def start(self, replicas=None, version=1, prompt_counter=None, models=None, **limits):
        replicas = [self.replica(name) for name in self.engines] if replicas is None else replicas
        self.gateway.keep_map(parts.fleet(version, replicas, self.keys, prompt_counter, models, **limits))
        return self.gateway.start()

    def close(self):
        for thing in [*self.engines.values(), *self.things]:
            thing.close()
        if self.gateway.process and self.gateway.process.poll() is None:
            self.gateway.process.kill()
            self.gateway.process.wait(10)


@pytest.fixture
def stage(gateway_binary, tmp_path_factory):
    # Short: a Unix socket's path has 108 bytes.
    root = tmp_path_factory.mktemp("gw")
    made = Stage(gateway_binary, root)
    yield made
    made.close()

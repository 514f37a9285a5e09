import pytest

from store import parts


@pytest.fixture
def daemon(sust):
    """sustd without gateway and supervisor, with an empty store."""
    daemon = parts.Daemon(sust)
    yield daemon.start()
    daemon.close()


@pytest.fixture
def model(tmp_path):
    """A directory with one file of each kind that a model has."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "config.json").write_text('{"architectures": ["AnyForCausalLM"], "model_type": "any"}')
    (folder / "model.safetensors").write_bytes(parts.safetensors(bytes(range(256)) * 400))
    (folder / "data/replay.jsonl").write_text('{"text": "a"}\n')
    (folder / "README.md").write_text("# A model\n")
    return folder

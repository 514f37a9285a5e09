"""What the control API answers is what docs/protocol/openapi.json says, key by key."""

import json
import subprocess
from urllib.parse import quote

import jsonschema
import pytest
from conftest import REPOSITORY, wait_for
from store import parts

pytestmark = pytest.mark.box

DOCUMENT = json.loads((REPOSITORY / "docs/protocol/openapi.json").read_text())
DATA = b'{"prompt": "a", "completion": "b"}\n'


def strict(schema):
    """OpenAPI 3.0 as JSON schema: `nullable` is a type, and a key that is not described is an error."""
    if "$ref" in schema:
        return strict(parts_of(schema["$ref"]))
    if "allOf" in schema:
        merged = {"type": "object", "properties": {}, "required": []}
        for part in map(strict, schema["allOf"]):
            merged["properties"] |= part.get("properties", {})
            merged["required"] += part.get("required", [])
        return strict(merged)
    made = {key: value for key, value in schema.items() if key not in ("nullable", "description")}
    if "properties" in made:
        made["properties"] = {key: strict(value) for key, value in made["properties"].items()}
        made.setdefault("additionalProperties", False)
    if "items" in made:
        made["items"] = strict(made["items"])
    if schema.get("nullable"):
        made["type"] = [made["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


def parts_of(reference):
    found = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def described(method, pattern, status):
    answer = DOCUMENT["paths"][pattern][method.lower()]["responses"]
    found = answer.get(str(status)) or answer["default"]
    found = parts_of(found["$ref"]) if "$ref" in found else found
    return strict(found["content"]["application/json"]["schema"])


class Api:
    """Asks, and holds every answer against its description."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.asked = set()

    def ask(self, method, pattern, body=None, query="", status=200, **names):
        target = pattern
        for name, value in names.items():
            target = target.replace("{%s}" % name, quote(value, safe=""))
        answer = self.daemon.call(method, target + query, body)
        assert answer.status == status, answer.body
        jsonschema.validate(answer.json, described(method, pattern, status))
        self.asked.add((method, pattern, status))
        return answer.json


@pytest.fixture
def daemon(sust):
    daemon = parts.Daemon(sust)
    yield daemon.start()
    daemon.close()


@pytest.fixture
def api(daemon, tmp_path):
    """A sustd that could start runs and replicas, in environments whose image is empty."""
    (tmp_path / "empty").mkdir()
    image = tmp_path / "empty.sqsh"
    subprocess.run(["mksquashfs", tmp_path / "empty", image, "-quiet", "-no-progress"], check=True,
                   stdout=subprocess.DEVNULL)
    environments = daemon.root / "config/environments"
    environments.mkdir(parents=True)
    for name in ("trainer", "llama-cpp"):
        (environments / f"{name}.toml").write_text(f'image = "{image}"\n')
    api = Api(daemon)
    api.upload = daemon.upload
    return api


def keep(api):
    """A model, an adapter of it and a dataset."""
    model = [api.upload("config.json", b'{"model_type": "any"}'), api.upload("model.safetensors", parts.safetensors(b"w")),
             api.upload("base.gguf", parts.gguf(b"weights"))]
    api.ask("POST", "/api/v1/models", {"name": "tiny", "files": model}, status=201)
    adapter = [api.upload("adapter.gguf", parts.gguf(b"adapter"))]
    api.ask("POST", "/api/v1/models", {"name": "team/a", "files": adapter, "base": "tiny"}, status=201)
    api.ask("POST", "/api/v1/datasets", {"name": "d", "files": [api.upload("train.jsonl", DATA)]}, status=201)


def test_artifacts_are_as_described(api):
    keep(api)
    assert [item["name"] for item in api.ask("GET", "/api/v1/models")["items"]] == ["team/a", "tiny"]
    assert api.ask("GET", "/api/v1/models/{name}", name="team/a")["base"] == "tiny"
    shown = api.ask("GET", "/api/v1/models/{name}", name="tiny")
    lineage = api.ask("GET", "/api/v1/models/{name}/lineage", name="tiny")
    assert shown["bytes"] == lineage["bytes"] == sum(file["bytes"] for file in shown["files"])
    api.ask("GET", "/api/v1/datasets")
    api.ask("GET", "/api/v1/datasets/{name}", name="d")
    refused = api.ask("DELETE", "/api/v1/models/{name}", name="tiny", status=409)
    assert refused["error"]["hint"] == "sust model rm team/a"
    api.ask("DELETE", "/api/v1/models/{name}", name="team/a")
    api.ask("DELETE", "/api/v1/datasets/{name}", name="d")
    api.ask("POST", "/api/v1/gc", {"grace_seconds": 0, "dry_run": True})
    digest = parts.digest_of(b"bytes")
    assert api.daemon.put(b"bytes").json == {"digest": digest, "bytes": 5}
    jsonschema.validate(api.daemon.put(b"bytes").json, described("PUT", "/api/v1/blobs/{digest}", 201))


def test_runs_are_as_described(api):
    keep(api)
    api.ask("GET", "/api/v1/recipes")
    api.ask("GET", "/api/v1/recipes/{name}", name="sft-lora")
    run = api.ask("POST", "/api/v1/runs", {"recipe": "to-gguf", "base": "tiny", "name": "tiny/gguf"}, status=201)["id"]
    wait_for("an end of the run", lambda: api.ask("GET", "/api/v1/runs/{id}", id=run)["finished"])
    shown = api.ask("GET", "/api/v1/runs/{id}", id=run)
    assert shown["state"] == "failed" and shown["error"]["hint"], "nothing can run in an empty image"
    api.ask("GET", "/api/v1/runs")
    api.ask("GET", "/api/v1/runs/{id}/logs", id=run)
    api.ask("POST", "/api/v1/runs/{id}/cancel", {}, id=run, status=409)
    evaluation = api.ask("POST", "/api/v1/evaluations", {"model": "team/a", "data": ["d"]}, status=201)["id"]
    wait_for("an end of the evaluation", lambda: api.ask("GET", "/api/v1/runs/{id}", id=evaluation)["finished"])

    # A run that has ended holds what it was given until it is removed.
    refused = api.ask("DELETE", "/api/v1/datasets/{name}", name="d", status=409)
    assert refused["error"]["hint"] == f"sust tune rm {evaluation}"
    for one in (run, evaluation):
        api.ask("DELETE", "/api/v1/runs/{id}", id=one)
        api.ask("GET", "/api/v1/runs/{id}", id=one, status=404)
    assert list((api.daemon.root / "data/runs").iterdir()) == []
    assert not [job for job in (api.daemon.root / "data/jobs").iterdir() if job.name.startswith("run-")]
    api.ask("DELETE", "/api/v1/datasets/{name}", name="d")


def test_jobs_nodes_and_back_ends_are_as_described(api):
    wanted = {"command": ["sh", "-c", "echo out; exit 3"], "retry": {"count": 1, "on": ["failed"], "back_off": "0s"}}
    jsonschema.validate(wanted, strict(parts_of("#/components/schemas/NewJob")))
    job = api.ask("POST", "/api/v1/jobs", wanted, status=201)["id"]
    wait_for("an end of the job", lambda: api.ask("GET", "/api/v1/jobs/{id}", id=job)["final"])
    shown = api.ask("GET", "/api/v1/jobs/{id}", id=job)
    assert shown["request"] == wanted and len(shown["attempts"]) == 2
    api.ask("GET", "/api/v1/jobs")
    assert api.ask("GET", "/api/v1/jobs/{id}/logs", id=job)["text"] == "out\n"
    api.ask("POST", "/api/v1/jobs/{id}/cancel", {}, id=job)
    api.ask("DELETE", "/api/v1/jobs/{id}", id=job)
    planned = api.ask("POST", "/api/v1/jobs/plan", wanted | {"placement": [{"backend": "alps"}, {"backend": "local"}]})
    assert [placement["accepted"] for placement in planned["placements"]] == [False, True]
    node = api.ask("GET", "/api/v1/nodes")["items"][0]["name"]
    api.ask("POST", "/api/v1/nodes/{name}/hold", {"reason": "fan"}, name=node)
    api.ask("POST", "/api/v1/nodes/{name}/release", {}, name=node)
    api.ask("GET", "/api/v1/backends")
    assert api.ask("GET", "/api/v1/backends/{name}/check", name="local")["good"]
    api.ask("POST", "/api/v1/jobs", {"command": []}, status=400)


def test_services_keys_and_the_status_are_as_described(api):
    keep(api)
    said = {"base": "tiny", "adapters": ["team/a"], "replicas": 0}
    api.ask("PUT", "/api/v1/services/{name}", said, name="demo")
    api.ask("POST", "/api/v1/services/{name}/scale", {"replicas": 1}, name="demo")
    assert len(api.ask("GET", "/api/v1/services/{name}", name="demo")["replicas"]) == 1
    api.ask("GET", "/api/v1/services")
    api.ask("POST", "/api/v1/keys", {"name": "k"}, status=201)
    assert api.ask("GET", "/api/v1/keys")["items"][0]["usage"]["requests"] == 0
    api.ask("DELETE", "/api/v1/keys/{key}", key="k")
    assert [service["name"] for service in api.ask("GET", "/api/v1/status")["services"]] == ["demo"]
    offered = api.ask("GET", "/api/v1/fleet", query="?wait=0&gateway=gw-1")["models"]
    assert [model["name"] for model in offered] == ["tiny", "team/a"]
    refused = api.ask("DELETE", "/api/v1/models/{name}", name="team/a", status=409)
    assert "sust serve rm demo" in refused["error"]["hint"]
    api.ask("DELETE", "/api/v1/services/{name}", name="demo", status=202)

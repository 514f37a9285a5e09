"""The store as others see it: skopeo, ModelPack's JSON schema, the image layout's own rules."""

import json

import jsonschema
import pytest

from store import parts

pytestmark = pytest.mark.box

CHAT = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


@pytest.fixture
def filled(daemon, sust, model, tmp_path):
    """A store with a model, an adapter of it and a dataset."""
    sust.run("model", "import", model, "--name", "tiny")
    daemon.import_model("team/triage", {"adapter_config.json": b"{}", "adapter_model.safetensors": parts.safetensors(b"weights")},
                        base="tiny")
    data = tmp_path / "train.jsonl"
    data.write_text(CHAT)
    sust.run("data", "add", data, "--name", "tickets")
    return parts.Layout(daemon.store)


NAMES = ["tiny", "team/triage", "tickets"]


def test_what_is_added_is_named_by_the_digest_that_is_shown(filled, sust, tmp_path):
    more = tmp_path / "more.jsonl"
    more.write_text(CHAT * 2)
    said = sust.run("data", "add", more, "--name", "more").stdout
    assert sust.json("data", "show", "more")["digest"] in said
    shown, lineage = sust.json("model", "show", "tiny"), sust.json("model", "lineage", "tiny")
    listed = next(model for model in sust.json("model", "ls") if model["name"] == "tiny")
    assert shown["bytes"] == lineage["bytes"] == listed["bytes"] == sum(file["bytes"] for file in shown["files"])


@pytest.mark.parametrize("name", NAMES)
def test_skopeo_reads_every_artifact_as_it_is(filled, name):
    raw = parts.skopeo("inspect", "--raw", f"oci:{filled.folder}:{name}")
    assert raw.encode() == filled.blob(filled.named(name)["digest"])
    assert json.loads(raw)["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"


def test_skopeo_copies_every_artifact_unchanged(filled, tmp_path):
    copy = parts.Layout(tmp_path / "copy")
    for name in NAMES:
        parts.skopeo("copy", f"oci:{filled.folder}:{name}", f"oci:{copy.folder}:{name}")
        assert copy.named(name)["digest"] == filled.named(name)["digest"]
        manifest = copy.manifest(name)
        for part in [manifest["config"], *manifest["layers"]]:
            assert len(copy.blob(part["digest"])) == part["size"]


def test_a_copy_by_skopeo_is_a_store(filled, sust, make_sust):
    """... in which a model has the same digest and files as where it came from."""
    before = sust.json("model", "show", "team/triage")
    other = make_sust()
    (other.root / "data").mkdir(parents=True)
    for name in NAMES:
        parts.skopeo("copy", f"oci:{filled.folder}:{name}", f"oci:{other.root}/data/store:{name}")
    second = parts.Daemon(other)
    try:
        second.start()
        after = other.json("model", "show", "team/triage")
        assert after["digest"] == before["digest"]
        assert after["files"] == before["files"]
        assert after["base"] == "tiny"
        assert second.collect()["blobs"] == []
    finally:
        second.close()


@pytest.fixture
def judged(filled):
    """The adapter with provenance and evaluation, attached as another tool would: files only."""
    subject = filled.named("team/triage")
    about = {"_type": "https://in-toto.io/Statement/v1",
             "subject": [{"name": "team/triage", "digest": {"sha256": subject["digest"].split(":")[1]}}]}
    base = {"name": "base", "uri": "sust:model/tiny",
            "digest": {"sha256": filled.named("tiny")["digest"].split(":")[1]}}
    filled.attach("team/triage", {
        **about, "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": {"buildType": "b", "externalParameters": {"rank": 8},
                                          "resolvedDependencies": [base]},
                      "runDetails": {"builder": {"id": "x"}, "metadata": {"invocationId": "run-1"}}}})
    filled.attach("team/triage", {
        **about, "predicateType": "https://sust.dev/evaluation/v1",
        "predicate": {"datasets": [{"name": "known", "base_accuracy": 0.0, "tuned_accuracy": 0.98}],
                      "perplexity": {"base": 25.5, "tuned": None}}})
    return filled


def test_statements_of_another_tool_are_lineage(judged, daemon, sust):
    tree = sust.json("model", "lineage", "team/triage")
    assert tree["evaluations"][0]["result"]["datasets"][0]["tuned_accuracy"] == 0.98
    made, = tree["provenance"]
    assert (made["run"], made["parameters"]) == ("run-1", {"rank": 8})
    assert made["from"][0]["names"] == ["tiny"]
    shown = sust.run("model", "lineage", "team/triage").stdout
    assert "adapter team/triage sha256:" in shown and "base: model tiny sha256:" in shown
    assert "evaluated on known: base 0.0 %, tuned 98.0 %" in shown
    assert "perplexity: base 25.50, tuned not measured" in shown
    garbage, = daemon.collect()["blobs"]
    assert garbage["bytes"] < 400, "the list before the second statement"


def test_skopeo_copies_an_artifact_with_its_lineage(judged, sust, make_sust):
    """Two names: the artifact, and the list of what refers to it under the tag schema of OCI's distribution."""
    other = make_sust()
    (other.root / "data").mkdir(parents=True)
    target = f"{other.root}/data/store"
    for name in ["tiny", "team/triage"]:
        parts.skopeo("copy", f"oci:{judged.folder}:{name}", f"oci:{target}:{name}")
    tag = judged.named("team/triage")["digest"].replace(":", "-")
    parts.skopeo("copy", "--all", f"oci:{judged.folder}:{tag}", f"oci:{target}:{tag}")
    daemon = parts.Daemon(other)
    try:
        daemon.start()
        assert other.json("model", "lineage", "team/triage") == sust.json("model", "lineage", "team/triage")
        assert daemon.collect()["blobs"] == []
    finally:
        daemon.close()


def test_what_skopeo_copies_in_is_kept_beside_ours(filled, daemon, sust, tmp_path):
    parts.skopeo("copy", f"oci:{filled.folder}:tiny", f"oci:{tmp_path}/elsewhere:tiny")
    parts.skopeo("copy", f"oci:{tmp_path}/elsewhere:tiny", f"oci:{filled.folder}:brought")
    assert {model["name"] for model in sust.json("model", "ls")} == {"tiny", "team/triage", "brought"}
    assert daemon.collect()["blobs"] == []


@pytest.mark.parametrize("name", NAMES)
def test_modelpack_accepts_every_config(filled, repository, name):
    schema = repository.parent / "shared/outside/modelpack-config-schema.json"
    if not schema.exists():
        pytest.skip(f"ModelPack's schema is not kept in this repository and not at {schema}")
    manifest = filled.manifest(name)
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    config = filled.json(manifest["config"]["digest"])
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(config)
    assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]


def test_layers_say_path_and_type(filled):
    layers = filled.manifest("tiny")["layers"]
    types = {layer["annotations"]["org.cncf.model.filepath"]: layer["mediaType"].split(".model.")[1]
             for layer in layers}
    assert types == {"README.md": "doc.v1.raw", "config.json": "weight.config.v1.raw",
                     "data/replay.jsonl": "dataset.v1.raw", "model.safetensors": "weight.v1.raw"}
    for layer in layers:
        assert layer["annotations"]["org.opencontainers.image.title"] == layer["annotations"]["org.cncf.model.filepath"]
        assert json.loads(layer["annotations"]["org.cncf.model.file.metadata+json"])["uid"] == 0
    kinds = {layer["mediaType"] for layer in filled.manifest("tickets")["layers"]}
    assert kinds == {"application/vnd.cncf.model.dataset.v1.raw"}


def test_the_layout_is_one_by_its_specification(filled):
    assert json.loads((filled.folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert filled.index()["schemaVersion"] == 2
    for name in filled.names():
        entry = filled.named(name)
        assert len(filled.blob(entry["digest"])) == entry["size"]


def test_the_same_files_give_the_same_digest_in_another_store(filled, sust, make_sust, model, tmp_path):
    (model / "config.json").touch()  # times are not part of an artifact
    other = make_sust()
    daemon = parts.Daemon(other).start()
    try:
        other.run("model", "import", model, "--name", "tiny")
        assert other.json("model", "show", "tiny")["digest"] == sust.json("model", "show", "tiny")["digest"]
    finally:
        daemon.close()

"""Published schemas of what we send: of batch/v1 from Debian's source of a later Kubernetes, kept in the cache.

No package of Debian carries the schemas of JobSet and LeaderWorkerSet. What is here of those is written from
the documentation of their fields: only the fields that it has, and nothing unknown; the pod template inside is
checked by the published schema.
"""

import fcntl
import json
import shutil
import tarfile

from labs.debian import CACHE
from labs.kubernetes import source

VERSION = "1.32.3"
SHA256 = "cba503193b4f6a49dcd03cfbe555a26f89538bc73c47e1eb5cd2e9033b70c270"
BATCH = "staging/src/k8s.io/kubectl/pkg/explain/v2/templates/batch.k8s.io_v1.json"
POD = "io.k8s.api.core.v1.PodTemplateSpec"
JOB = "io.k8s.api.batch.v1.Job"
JOB_SPEC = "io.k8s.api.batch.v1.JobSpec"
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
NUMBER, TEXT, YES = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}


def record(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


def of(name):
    return {"$ref": f"#/components/schemas/{name}"}


def choice(*words):
    return {"type": "string", "enum": list(words)}


def published() -> dict:
    """{name: schema} of batch/v1 and all that it is made of."""
    place = CACHE / "kubernetes-schemas" / SHA256[:16]
    place.mkdir(parents=True, exist_ok=True)
    file = place / "batch.json"
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            archive = source.fetch(place / "source", VERSION, SHA256, "trixie")
            with tarfile.open(archive) as packed:
                member = next(one for one in packed if one.name.endswith(BATCH))
                text = packed.extractfile(member).read()
            (place / "batch.new").write_bytes(text)
            (place / "batch.new").rename(file)
            shutil.rmtree(place / "source")
    return json.loads(file.read_text())["components"]["schemas"]


# Of jobset.x-k8s.io/v1alpha2 and leaderworkerset.x-k8s.io/v1, what a template of a site may want too.
JOB_SET = record(
    ["spec"], apiVersion=TEXT, kind=TEXT, metadata=of(METADATA), spec=record(
        ["replicatedJobs"], suspend=YES, managedBy=TEXT, ttlSecondsAfterFinished=NUMBER,
        network=record(enableDNSHostnames=YES, subdomain=TEXT, publishNotReadyAddresses=YES),
        successPolicy=record(["operator"], operator=choice("All", "Any"),
                             targetReplicatedJobs={"type": "array", "items": TEXT}),
        failurePolicy=record(maxRestarts=NUMBER, restartStrategy=choice("Recreate", "BlockingRecreate")),
        startupPolicy=record(["startupPolicyOrder"], startupPolicyOrder=choice("AnyOrder", "InOrder")),
        replicatedJobs={"type": "array", "items": record(
            ["name", "template"], name=TEXT, replicas=NUMBER,
            template=record(["spec"], metadata=of(METADATA), spec=of(JOB_SPEC)))}))
LEADER_WORKER_SET = record(
    ["spec"], apiVersion=TEXT, kind=TEXT, metadata=of(METADATA), spec=record(
        ["leaderWorkerTemplate"], replicas=NUMBER, startupPolicy=choice("LeaderCreated", "LeaderReady"),
        networkConfig=record(["subdomainPolicy"], subdomainPolicy=choice("Shared", "UniquePerReplica")),
        leaderWorkerTemplate=record(
            ["workerTemplate"], size=NUMBER, leaderTemplate=of(POD), workerTemplate=of(POD),
            restartPolicy=choice("None", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart"))))


CRDS = {"job_set": ("JobSet", "jobsets", "jobset.x-k8s.io", "v1alpha2", JOB_SET),
        "leader_worker_set": ("LeaderWorkerSet", "leaderworkersets", "leaderworkerset.x-k8s.io", "v1",
                              LEADER_WORKER_SET)}


def structural(schema):
    """The same for a CRD, which has no references: what those name is kept as it comes."""
    if "$ref" in schema:
        whole = schema["$ref"].endswith(METADATA)
        return {"type": "object"} if whole else {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    found = dict(schema)
    if "properties" in schema:
        found["properties"] = {key: structural(one) for key, one in schema["properties"].items()}
    if "items" in schema:
        found["items"] = structural(schema["items"])
    return found


def crd(shape) -> dict:
    kind, plural, group, version, schema = CRDS[shape]
    whole = structural(schema)
    whole["properties"]["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            # The group is protected by name: what is no official copy says so.
            "metadata": {"name": f"{plural}.{group}",
                         "annotations": {"api-approved.kubernetes.io": "unapproved, of a test"}},
            "spec": {"group": group, "scope": "Namespaced",
                     "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
                     "versions": [{"name": version, "served": True, "storage": True, "subresources": {"status": {}},
                                   "schema": {"openAPIV3Schema": whole}}]}}


def faults(value, schema, schemas, place="") -> list:
    """What of it the schema does not allow; unlike a server's, this check drops nothing that is unknown."""
    for part in schema.get("allOf", ()):
        schema = {**schema, **part}
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    if "oneOf" in schema:
        found = [faults(value, one, schemas, place) for one in schema["oneOf"]]
        return [] if [] in found else found[0]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}
    if "type" in schema and (not isinstance(value, kinds[schema["type"]])
                             or (schema["type"] != "boolean" and isinstance(value, bool))):
        return [f"{place} is no {schema['type']}: {value!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{place} is none of {schema['enum']}: {value!r}"]
    found = []
    if isinstance(value, list):
        for number, one in enumerate(value):
            found += faults(one, schema.get("items", {}), schemas, f"{place}[{number}]")
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        found += [f"{place} lacks {key}" for key in schema.get("required", ()) if key not in value]
        for key, one in value.items():
            if key in known or others is not None:
                found += faults(one, known.get(key, others), schemas, f"{place}.{key}")
            elif known:
                found.append(f"{place} has an unknown {key}")
    return found

"""Replicas of the real engine: they answer, come back, stay apart, and end without a trace."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import wait_for
from processes import processes_of

pytestmark = pytest.mark.lab

TEXTS = ["What is a river?", "My job waits since Monday.", "Define the word stone.", "The disk is full."]


def test_base_and_adapters_answer_on_the_same_replicas_and_never_mix(service):
    service.adapter("one", 1)
    service.adapter("two", 2)
    service.apply(adapters=["one", "two"])
    models = ["tiny", "one", "two"]
    # Alone: each model's answers, with nothing else asked in between that could be mixed in.
    alone = {(model, text): service.ask(model, text) for model in models for text in TEXTS}
    assert {status for status, _ in alone.values()} == {200}
    assert len({tuple(alone[model, text] for text in TEXTS) for model in models}) == 3, "they do not differ"
    work = [(random.choice(models), random.choice(TEXTS)) for _ in range(150)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda item: service.ask(*item), work))
    mixed = [(item, answer) for item, answer in zip(work, answers) if answer != alone[item]]
    assert not mixed, f"{len(mixed)} of {len(work)} answers differ, first {mixed[0]}, alone {alone[mixed[0][0]]}"


def test_a_killed_replica_is_started_again_and_nobody_notices(service):
    service.apply()
    before = service.engines()
    assert len(before) == 2
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(service.ask, "tiny", text) for text in TEXTS * 4]
        victim = sorted(before)[0]
        service.kill(before[victim])
        # A request that was being answered by the victim cannot be repeated once it has begun, but
        # these are not streamed: the gateway asks the other replica.
        assert {future.result()[0] for future in answers} == {200}
    wait_for("a restart", lambda: service.show()["replicas"][0]["restarts"] == 1, 60)
    service.ready()
    after = service.engines()
    assert set(after) == set(before) and after[victim] != before[victim]


def test_replicas_live_on_when_sustd_is_killed_and_are_found_again(service):
    service.apply()
    before, shown = service.engines(), service.show()
    meanwhile = []
    service.kill_sustd(then=lambda: meanwhile.append(service.ask("tiny", TEXTS[0])))
    assert meanwhile[0][0] == 200, "the gateway serves on"
    again = service.ready()
    assert service.engines() == before
    assert [r["id"] for r in again["replicas"]] == [r["id"] for r in shown["replicas"]]
    assert all(replica["restarts"] == 0 for replica in again["replicas"])


def test_a_replica_killed_while_sustd_is_away_comes_back(service):
    service.apply()
    before = service.engines()
    service.kill_sustd(then=lambda: service.kill(min(before.values())))
    wait_for("a new engine", lambda: len(service.engines()) == 2 and service.engines() != before)
    service.ready()


def test_a_removed_service_leaves_no_process_socket_job_or_root(service):
    service.apply()
    root = service.sust.root
    assert (root / "data/store/roots/service/demo").exists()
    service.sust.run("--yes", "serve", "rm", "demo")
    wait_for("the service is gone", lambda: service.sust.json("serve", "ls") == [], 60)
    assert list((root / "run/replicas").iterdir()) == []
    assert not (root / "data/store/roots/service/demo").exists()
    assert not [words for _, words in processes_of(root) if "llama-server" in words]
    assert service.ask("tiny", TEXTS[0])[0] == 404


def test_a_service_of_no_replica_is_unavailable_and_not_unknown(service):
    service.apply(replicas=1)
    assert service.ask("tiny", TEXTS[0])[0] == 200
    service.sust.run("serve", "scale", "demo", "0")
    wait_for("no replica", lambda: service.show()["state"] == "idle", 60)
    status, said = service.ask("tiny", TEXTS[0])
    assert status == 503 and "no_replica" in said
    assert service.ask("gone", TEXTS[0])[0] == 404
    service.sust.run("serve", "scale", "demo", "1")
    service.ready(1)
    assert service.ask("tiny", TEXTS[0])[0] == 200


def test_a_model_that_a_service_uses_is_not_removed(service):
    service.adapter("one", 1)
    service.apply(adapters=["one"])
    refused = service.sust.run("--yes", "model", "rm", "one", check=False)
    assert refused.returncode == 5 and "sust serve rm demo" in refused.stderr


def test_a_service_without_a_gguf_says_how_to_make_one(service, repository):
    service.sust.run("model", "import", repository / "models/tiny", "--name", "raw")
    refused = service.apply(check=False, base="raw")
    assert refused.returncode == 4
    assert "sust tune start to-gguf --base raw" in refused.stderr

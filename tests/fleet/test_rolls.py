"""A new adapter is a rolling replacement in which no request fails."""

import threading
import time

import pytest

from conftest import wait_for

pytestmark = pytest.mark.lab


class Load:
    """Clients that ask without a pause, streamed and not, and remember every answer."""

    def __init__(self, service, models, clients=4):
        self.service, self.models = service, models
        self.answers, self.stop = [], threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(number,)) for number in range(clients)]

    def ask(self, number):
        count = number
        while not self.stop.is_set():
            model = self.models[count % len(self.models)]
            one = self.service.stream if count % 3 == 0 else self.service.ask
            try:
                status, said = one(model, f"Question {count % 5}: what is a stone?", tokens=24)
            except OSError as error:
                status, said = -1, repr(error)
            self.answers.append((time.monotonic(), model, status, said))
            count += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def failed(self):
        return [answer for answer in self.answers if answer[2] != 200]

    def more(self, count):
        """Waits for so many further answers."""
        wanted = len(self.answers) + count
        wait_for("answers", lambda: len(self.answers) >= wanted, 120)


def test_no_request_fails_while_an_adapter_is_replaced(service):
    service.adapter("one", 1)
    service.apply(adapters=["one"])
    old = service.ask("one", "What is a stone?")
    before = service.engines()
    with Load(service, ["tiny", "one"]) as load:
        load.more(8)
        service.adapter("two", 2)
        service.apply(adapters=["two", "one"])
        shown = service.show()
        load.more(8)
    assert not load.failed(), f"{len(load.failed())} of {len(load.answers)} failed: {load.failed()[:3]}"
    assert shown["generation"] == 2
    assert {replica["generation"] for replica in shown["replicas"]} == {2}
    assert not set(service.engines().values()) & set(before.values())
    assert service.ask("one", "What is a stone?") == old, "its place in the list is another now"
    assert service.ask("two", "What is a stone?") != old


def test_no_request_fails_while_the_number_of_replicas_changes(service):
    service.apply()
    with Load(service, ["tiny"]) as load:
        load.more(4)
        service.sust.run("serve", "scale", "demo", "3")
        service.ready(3)
        service.sust.run("serve", "scale", "demo", "1")
        service.ready(1)
        load.more(4)
    assert not load.failed(), f"{len(load.failed())} of {len(load.answers)} failed: {load.failed()[:3]}"
    wait_for("two engines ended", lambda: len(service.engines()) == 1)


def test_a_roll_goes_on_where_it_was_when_sustd_is_killed(service):
    service.adapter("one", 1)
    service.apply(adapters=["one"])
    with Load(service, ["tiny", "one"], clients=2) as load:
        load.more(2)
        service.adapter("two", 2)
        service.write(adapters=["one", "two"])
        service.sust.run("serve", "apply", service.file, "--no-wait")
        for _ in range(2):
            service.kill_sustd()
        service.ready(within=180)
    assert not load.failed(), f"{len(load.failed())} of {len(load.answers)} failed: {load.failed()[:3]}"
    shown = service.show()
    assert {replica["generation"] for replica in shown["replicas"]} == {2}
    assert len(service.engines()) == 2


def test_an_adapter_that_the_engine_cannot_load_stops_the_roll_and_the_old_ones_go_on(service):
    service.adapter("one", 1)
    service.apply(adapters=["one"])
    answer = service.ask("one", "What is a stone?")
    folder = service.tmp / "broken"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    # Of a form that nothing but the engine can judge.
    (folder / "adapter.gguf").write_bytes(b"GGUF" + (3).to_bytes(4, "little") + bytes(96))
    service.api.keep("broken", folder, base="tiny")
    refused = service.apply(check=False, adapters=["one", "broken"])
    assert refused.returncode == 6, refused.stderr
    assert "generation 1 goes on" in refused.stderr
    assert service.ready()["generation"] == 1
    assert service.ask("one", "What is a stone?") == answer

"""Only the attempt that holds the lease makes results visible."""

import fcntl
import json
import threading

import pytest

from kit import files
from kit.faults import Fenced
from kit.lease import Lease


@pytest.fixture
def lease(tmp_path):
    (tmp_path / "lease.json").write_text('{"epoch":3}')
    return Lease(tmp_path / "lease.json", 3)


def write(path, text):
    path.write_text(text)
    return path


def publish(path, text, lease):
    files.publish(write(files.aside(path, lease), text), path, lease)


def test_the_holder_publishes_and_replaces(tmp_path, lease):
    for text in ("one", "two"):
        publish(tmp_path / "result", text, lease)
        assert (tmp_path / "result").read_text() == text
    assert (tmp_path / "result").stat().st_mode & 0o777 == 0o644


def test_a_folder_with_content_is_replaced_whole(tmp_path, lease):
    for name in ("old", "new"):
        folder = files.aside(tmp_path / "folder", lease)
        folder.mkdir()
        write(folder / name, name)
        files.publish(folder, tmp_path / "folder", lease)
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["new"]
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.mark.parametrize("content", ['{"epoch":4}', '{"epoch":2}', "{}", "", "[]"])
def test_nothing_appears_if_the_lease_does_not_name_this_epoch(tmp_path, lease, content):
    lease.path.write_text(content)
    with pytest.raises(Fenced):
        publish(tmp_path / "result", "x", lease)
    assert not (tmp_path / "result").exists()


def test_a_missing_lease_fences(tmp_path, lease):
    lease.path.unlink()
    with pytest.raises(Fenced):
        with lease.held():
            raise AssertionError("not reached")


def test_a_lease_replaced_while_waiting_for_its_lock_is_read_again(tmp_path, lease):
    outcome = []

    def wait_for_it():
        try:
            with lease.held():
                outcome.append("held")
        except Fenced:
            outcome.append("fenced")

    with open(lease.path) as old:
        fcntl.flock(old, fcntl.LOCK_EX)
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        write(tmp_path / "next", json.dumps({"epoch": 4})).rename(lease.path)
    waiting.join()
    assert outcome == ["fenced"]

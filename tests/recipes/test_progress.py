"""Progress lines: not too many, and always whole."""

import json

from kit.progress import Progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_first_last_and_one_a_second_are_written(tmp_path):
    clock, path = Clock(), tmp_path / "progress.jsonl"
    progress = Progress(path, "train", 40, clock)
    for step in range(1, 41):
        clock.now += 0.125
        progress.update(step, 2.0, 100)
    assert [line["step"] for line in lines(path)] == [1, 9, 17, 25, 33, 40]
    assert lines(path)[1] == {"stage": "train", "step": 9, "steps": 40, "loss": 2.0,
                              "tokens_per_second": 800, "eta_seconds": 3.9}
    assert lines(path)[-1]["eta_seconds"] == 0


def test_the_log_of_a_long_run_is_short_and_tells_its_first_and_last_step(tmp_path, capsys):
    clock = Clock()
    progress = Progress(tmp_path / "progress.jsonl", "train", 125, clock)
    for step in range(1, 126):
        clock.now += 0.5
        progress.update(step, 2.0, 100)
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in told] == ["1/125", "21/125", "41/125", "61/125", "81/125", "101/125", "121/125",
                                                  "125/125"]
    assert told[1] == "step 21/125  loss 2.000  200 tokens/s  52 s left"


def test_a_resumed_run_reckons_from_its_own_first_step(tmp_path):
    clock = Clock()
    progress = Progress(tmp_path / "progress.jsonl", "train", 1000, clock)
    clock.now += 2.0
    progress.update(901, 1.0, 10)
    assert lines(tmp_path / "progress.jsonl")[0]["eta_seconds"] == 198.0


def test_an_unfinished_line_of_an_ended_writer_is_closed(tmp_path):
    path = tmp_path / "progress.jsonl"
    path.write_text('{"stage":"tr')
    clock = Clock()
    progress = Progress(path, "train", 1, clock)
    clock.now += 1
    progress.update(1, 0.5, 10)
    assert json.loads(path.read_text().splitlines()[1])["step"] == 1

"""Input that can't work is refused before the first step, with the next step for the user."""

import json
import shutil

from support import StageCase, chat


class Inputs(StageCase):
    def refused(self, *words, program="train.py", **options):
        work = self.bench.work()
        said = self.bench.run(work, program, expect=2, **options)
        self.assertNotIn("Traceback", said)
        for each in words:
            self.assertIn(each, said)
        self.assertFalse((work / "progress.jsonl").exists())

    def test_a_base_without_replay_text(self):
        shutil.rmtree(self.bench.base / "data")
        self.refused("replay_windows", "data/replay.jsonl.xz", "replay_windows=0")
        self.bench.run(self.bench.work(), "train.py", replay_windows=0, max_steps=1)

    def test_a_base_without_held_out_text(self):
        (self.bench.base / "data/heldout.jsonl.xz").unlink()
        self.refused("data/heldout.jsonl.xz", program="perplexity.py")

    def test_bad_lines_are_all_named(self):
        self.bench.data.write_text("\n".join([
            json.dumps(chat("a", "b")), "{", json.dumps({"text": "a"}),
            json.dumps({"messages": [{"role": "user", "content": "a"}]}),
            json.dumps(chat("long " * 200, "b"))]))
        self.refused("4 bad lines", "line 2:", "line 3:", "line 4: no answer", "line 5:", "tokens")

    def test_empty_data(self):
        self.bench.data.write_text("")
        self.refused("no examples")

    def test_a_parameter_out_of_range(self):
        self.refused("parameter rank: 0 is outside 1 to 256", rank=0)

    def test_replay_windows_longer_than_the_context(self):
        self.refused("replay_tokens", "context of 128", replay_tokens=256)

    def test_a_network_of_another_kind(self):
        config = json.loads((self.bench.base / "config.json").read_text())
        (self.bench.base / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
        self.refused("model_type 'gpt2'")

    def test_weights_that_do_not_fit_the_configuration(self):
        config = json.loads((self.bench.base / "config.json").read_text())
        (self.bench.base / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
        self.refused("do not fit config.json")

    def test_an_adapter_that_is_not_there_yet(self):
        self.refused("the stage train has to end first", program="convert.py")

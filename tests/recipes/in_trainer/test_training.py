"""Training as a stage: interrupted, resumed, fenced, damaged."""

import fcntl
import json
import re
import shutil
import signal

from support import StageCase


def adapter_bytes(work):
    return (work / "adapter/adapter_model.safetensors").read_bytes()


def published(work):
    return sorted(folder.name for folder in (work / "checkpoints").glob("step-*"))


def steps(work):
    return [json.loads(line)["step"] for line in (work / "progress.jsonl").read_text().splitlines()]


class Training(StageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = cls.shared.work("whole")
        cls.shared.run(cls.whole, "train.py")

    def again(self, work, **options):
        """Run on what a copied run left; its inputs are the shared ones."""
        return self.shared.run(work, "train.py", **options)

    def test_a_run_leaves_an_adapter_progress_and_the_two_newest_checkpoints(self):
        work = self.whole
        self.assertEqual(published(work), ["step-00000020", "step-00000024"])
        self.assertEqual((steps(work)[0], steps(work)[-1]), (1, 24))
        state = json.loads((work / "checkpoints/step-00000024/state.json").read_text())
        self.assertEqual((state["format"], state["step"], state["epoch_of_writer"]), (1, 24, 1))
        for file in (work / "adapter").iterdir():
            self.assertEqual(file.stat().st_mode & 0o777, 0o644)

    def test_sigterm_ends_it_after_a_step_with_a_checkpoint_and_no_adapter(self):
        work = self.bench.work()
        process = self.bench.start(work, "train.py", epochs=50)
        while not (work / "checkpoints/step-00000004").exists():
            self.assertIsNone(process.poll(), "ended before its first checkpoint")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
        self.assertEqual(process.returncode, 143, said)
        [step] = re.findall(r"SIGTERM after step (\d+) of 1200", said)
        self.assertEqual(published(work)[-1], f"step-{int(step):08d}")
        self.assertFalse((work / "adapter").exists())

    def test_a_resumed_run_gives_the_same_bytes_as_an_uninterrupted_one(self):
        work = self.copy_of(self.whole)
        shutil.rmtree(work / "adapter")
        shutil.rmtree(work / "checkpoints/step-00000024")
        self.assertIn("going on after step 20", self.again(work))
        self.assertEqual(adapter_bytes(work), adapter_bytes(self.whole))

    def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(self):
        work = self.copy_of(self.whole)
        damaged = work / "checkpoints/step-00000024/adapter.safetensors"
        damaged.write_bytes(damaged.read_bytes()[:-1])
        said = self.again(work)
        self.assertIn("step-00000024 is not used: adapter.safetensors is damaged", said)
        self.assertIn("going on after step 20", said)
        self.assertEqual(adapter_bytes(work), adapter_bytes(self.whole))

    def test_without_any_usable_checkpoint_training_starts_anew(self):
        work = self.copy_of(self.whole)
        for folder in (work / "checkpoints").iterdir():
            (folder / "state.json").write_text("{")
        self.assertNotIn("going on", self.again(work))
        self.assertEqual(adapter_bytes(work), adapter_bytes(self.whole))

    def test_a_checkpoint_of_other_parameters_is_not_used(self):
        work = self.copy_of(self.whole)
        said = self.again(work, learning_rate=1e-3)
        self.assertIn("made with another parameters", said)
        self.assertNotIn("going on", said)

    def test_an_older_epoch_publishes_nothing(self):
        work = self.bench.work(epoch=2)
        said = self.bench.run(work, "train.py", expect=75, epoch=1)
        self.assertIn("epoch 2 holds the lease", said)
        self.assertFalse((work / "adapter").exists())

    def test_an_attempt_that_loses_the_lease_in_the_middle_ends_with_75(self):
        work = self.bench.work()
        process = self.bench.start(work, "train.py", epochs=50)
        while not (work / "checkpoints/step-00000004").exists():
            self.assertIsNone(process.poll(), "ended before its first checkpoint")
        with open(work / "lease.json") as lease:
            fcntl.flock(lease, fcntl.LOCK_EX)
            (work / "lease.json").write_text('{"epoch":2}')
            before = published(work)
        _, said = process.communicate()
        self.assertEqual(process.returncode, 75, said)
        self.assertFalse((work / "adapter").exists())
        self.assertEqual(published(work), before)

    def test_max_steps_ends_training_early(self):
        work = self.bench.work()
        self.bench.run(work, "train.py", max_steps=3)
        self.assertEqual(steps(work)[-1], 3)

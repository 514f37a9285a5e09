"""A starved process steps back to one thread, and comes back when the machine is calm."""

import tempfile
import unittest
from pathlib import Path

import torch

from kit.threads import PERIOD_SECONDS, Threads, seconds_waited


class Machine:
    """A clock, and a scheduler that lets us wait for a share of the time."""

    def __init__(self):
        self.now = self.waited = 0.0

    def pass_period(self, share):
        self.now += PERIOD_SECONDS
        self.waited += PERIOD_SECONDS * share


class Adapting(unittest.TestCase):
    def setUp(self):
        self.addCleanup(torch.set_num_threads, torch.get_num_threads())
        self.machine = Machine()

    def threads(self, wanted, now):
        return Threads(wanted, now, lambda: self.machine.waited, lambda: self.machine.now)

    def counts(self, threads, shares):
        found = []
        for share in shares:
            self.machine.pass_period(share)
            found.append(threads.adapt())
        return found

    def test_starved_it_uses_one_thread_and_calm_all_of_them_again(self):
        shares = [0.0, 0.4, 0.4, 0.0, 0.0]
        self.assertEqual(self.counts(self.threads(2, 2), shares), [2, 1, 1, 1, 2])
        self.assertEqual(torch.get_num_threads(), 2)

    def test_each_mistake_doubles_the_patience(self):
        shares = [0.4, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0, 0.0]
        self.assertEqual(self.counts(self.threads(2, 2), shares), [1, 1, 2, 1, 1, 1, 1, 2])

    def test_started_on_a_busy_machine_it_takes_all_threads_after_one_calm_period(self):
        self.assertEqual(self.counts(self.threads(4, 1), [0.4, 0.1, 0.0]), [1, 1, 4])

    def test_a_single_thread_stays(self):
        self.assertEqual(self.counts(self.threads(1, 1), [0.9, 0.0]), [1, 1])

    def test_a_kernel_that_does_not_say_counts_as_calm(self):
        self.assertEqual(seconds_waited(Path("/nowhere")), 0.0)
        with tempfile.NamedTemporaryFile("w") as file:
            Path(file.name).write_text("5 2500000000 7\n")
            self.assertEqual(seconds_waited(Path(file.name)), 2.5)

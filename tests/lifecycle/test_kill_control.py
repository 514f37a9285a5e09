"""kill -9 of supervisor, sustd and gateway while they start: the next `up` has one of each, and `down` none."""

import os
import random
import signal
import subprocess
import time

import pytest
from conftest import wait_for
from processes import processes_of

pytestmark = pytest.mark.box


def daemons(root):
    """The command lines of what should be there once each."""
    names = [line.split()[0].rsplit("/", 1)[-1] for _, line in processes_of(root)]
    return {name: names.count(name) for name in ("sustd", "sust-gateway")}


@pytest.mark.parametrize("victims", [("supervisor",), ("sustd",), ("gateway",), ("supervisor", "sustd", "gateway")],
                         ids="+".join)
def test_killed_while_starting(sust, victims):
    chosen = random.Random(0)
    for _ in range(6):
        up = subprocess.Popen(sust.argv("up", *sust.settings), env=sust.environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        time.sleep(chosen.uniform(0, 0.4))  # the moment is what varies, nothing is waited for
        for victim in victims:
            try:
                os.kill(sust.pid(victim), signal.SIGKILL)
            except (OSError, ValueError):
                pass  # it has not started yet
        up.wait(60)
        sust.run("up", *sust.settings)
        wait_for("one of each", lambda: daemons(sust.root) == {"sustd": 1, "sust-gateway": 1})
        if chosen.random() < 0.5:
            sust.run("down")
            assert processes_of(sust.root) == []
    sust.run("down")
    assert processes_of(sust.root) == []

"""sust up, down, status, logs: two daemons that stay up, and never twice."""

import json
import os
import signal
import socket
import subprocess
import urllib.request

import pytest
from conftest import wait_for
from processes import processes_of

pytestmark = pytest.mark.box


def answers(endpoint):
    try:
        with urllib.request.urlopen(f"{endpoint}/healthz", timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


def test_up_starts_both_and_down_leaves_no_process(sust):
    endpoint = sust.up()
    assert answers(endpoint)
    status = sust.json("status")
    assert {status[name]["state"] for name in ("supervisor", "sustd", "gateway")} == {"running"}
    sust.run("down")
    assert processes_of(sust.root) == []
    assert sust.run("status", check=False).returncode == 6


def test_a_second_up_changes_nothing(sust):
    sust.up()
    before = {name: sust.pid(name) for name in ("supervisor", "sustd", "gateway")}
    assert "already up" in sust.run("up", *sust.settings).stdout
    assert {name: sust.pid(name) for name in before} == before


def test_two_ups_at_once_make_one_of_each(sust):
    both = [subprocess.Popen(sust.argv("up", *sust.settings), env=sust.environment) for _ in range(2)]
    assert [up.wait(60) for up in both] == [0, 0]
    names = [command for _, command in processes_of(sust.root)]
    assert sum("/sustd" in name for name in names) == 1
    assert sum("/sust-gateway" in name for name in names) == 1


@pytest.mark.parametrize("program", ["sustd", "gateway"])
def test_a_killed_daemon_comes_back(sust, program):
    sust.up()
    old = sust.pid(program)
    os.kill(old, signal.SIGKILL)
    wait_for(f"another {program}", lambda: sust.pid(program) != old)
    wait_for("both answer", lambda: sust.run("status", check=False).returncode == 0)


def test_the_gateway_answers_while_sustd_is_dead(sust):
    sust.up()
    endpoint = sust.endpoint()
    os.kill(sust.pid("supervisor"), signal.SIGKILL)
    os.kill(sust.pid("sustd"), signal.SIGKILL)
    for _ in range(20):
        assert answers(endpoint)


def test_after_a_killed_supervisor_the_next_one_adopts_what_runs(sust):
    sust.up()
    kept = {name: sust.pid(name) for name in ("sustd", "gateway")}
    killed = sust.pid("supervisor")
    os.kill(killed, signal.SIGKILL)
    wait_for("the supervisor is gone", lambda: not os.path.exists(f"/proc/{killed}"))
    sust.up()
    assert {name: sust.pid(name) for name in kept} == kept
    sust.run("down")
    assert processes_of(sust.root) == []


def test_down_after_a_killed_supervisor_still_ends_everything(sust):
    sust.up()
    os.kill(sust.pid("supervisor"), signal.SIGKILL)
    sust.run("down")
    assert processes_of(sust.root) == []


def test_a_port_in_use_is_named_and_nothing_is_left_half(sust):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = sust.run("up", "--config", f"gateway.listen=127.0.0.1:{port}", check=False)
    assert done.returncode == 5, done.stderr
    assert str(port) in done.stderr and "in use" in done.stderr and "--config gateway.listen" in done.stderr
    assert processes_of(sust.root) == []
    sust.up()
    again = sust.run("up", "--config", "gateway.listen=127.0.0.1:1")
    assert "no effect" in again.stderr


def test_ctrl_c_in_the_foreground_ends_everything(sust):
    up = subprocess.Popen(sust.argv("up", "--foreground", *sust.settings), env=sust.environment,
                          stderr=subprocess.DEVNULL)
    wait_for("both run", lambda: sust.run("status", check=False).returncode == 0)
    up.send_signal(signal.SIGINT)
    assert up.wait(60) == 0
    assert processes_of(sust.root) == []


def test_logs_are_json_lines_of_each_program(sust):
    sust.up()
    for program in ("sustd", "gateway"):
        lines = sust.run("logs", program).stdout.splitlines()
        assert lines and all({"ts", "level", "component", "msg"} <= set(json.loads(line)) for line in lines)
    assert sust.run("logs", "nothing", check=False).returncode == 2


def test_a_follower_of_a_log_reads_what_a_restarted_program_adds(sust):
    sust.up()
    already = sust.run("logs", "gateway").stdout.splitlines()
    follower = subprocess.Popen(sust.argv("logs", "gateway", "-f"), env=sust.environment, stdout=subprocess.PIPE, text=True)
    assert [follower.stdout.readline().rstrip("\n") for _ in already] == already
    os.kill(sust.pid("gateway"), signal.SIGKILL)
    assert json.loads(follower.stdout.readline())["component"]
    follower.send_signal(signal.SIGINT)
    assert follower.wait(30) == -signal.SIGINT
    assert sust.json("logs", "gateway")["text"].startswith(already[0])


def test_a_root_of_150_characters_works(make_sust, short_tmp):
    sust = make_sust(short_tmp / ("d" * 120) / ("e" * 30))
    endpoint = sust.up()
    assert answers(endpoint)
    assert sust.json("model", "ls") == []


def test_only_loopback_is_listened_on(sust):
    sust.up()
    pids = {str(sust.pid(name)) for name in ("sustd", "gateway")}
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    ours = [line.split()[3] for line in listening.splitlines() if any(f"pid={pid}," in line for pid in pids)]
    assert ours and all(address.startswith("127.0.0.1:") for address in ours)

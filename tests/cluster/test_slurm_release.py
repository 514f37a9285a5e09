"""A job on the Slurm of another Debian, by its commands and by each version of its slurmrestd.

The other tests of Slurm run there, too, as soak tests (make_slurm in conftest.py).
"""

import pytest

from cluster.slurm_sites import connect
from conftest import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lab():
    from labs.slurm import IMPATIENT, Options, SlurmLab, why_impossible
    reason = why_impossible()
    if reason:
        pytest.skip(reason)
    with SlurmLab(Options(nodes=2, rest=True, settings=IMPATIENT, release="trixie")) as lab:
        yield lab


@pytest.mark.parametrize("version", ["commands", "newest", "v0.0.41", "v0.0.40"])
def test_a_job_runs_and_one_is_cancelled(lab, sust, tmp_path, version):
    transport = "commands" if version == "commands" else "slurmrestd"
    more = f'rest_version = "{version}"' if version.startswith("v") else ""
    jobs = connect(lab, sust, tmp_path, transport, more)
    able = next(one for one in sust.json("backend", "ls") if one["name"] == "lab")["capabilities"]
    assert {"exclude_nodes", "hold_nodes"} <= set(able)
    done = jobs.submit("echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES; exit 7", "[gpus]\ncount = 2")
    endless = jobs.submit("exec sleep 600")
    shown = jobs.end(done)
    assert (shown["end"], shown["exit_status"]) == ("failed", 7)
    where, gpus = jobs.out(done).split()
    assert where in {node.name for node in lab.nodes} and gpus == "0,1"
    jobs.running(endless)
    sust.run("job", "cancel", endless)
    assert jobs.end(endless)["end"] == "cancelled"
    said = {line["what"]: line["detail"] for line in sust.json("backend", "check", "lab")["checks"]}
    spoken = {"commands": "slurm-wlm", "newest": lab.rest.version}.get(version, version)
    assert "24.11" in said[transport] and spoken in said[transport]
    node = lab.nodes[0]
    sust.run("node", "hold", node.name, "--reason", "fan is loud")
    wait_for("it is held", lambda: "sust: fan is loud" in node.reason())
    sust.run("node", "release", node.name)
    wait_for("it is back", lambda: node.state() == "idle")

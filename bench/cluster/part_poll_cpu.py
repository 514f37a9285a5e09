"""poll_cpu: what one look at all jobs of a Slurm costs with 50 and with 5,000 jobs of ours in its list, all pending in
a partition that is down: CPU of sustd itself and of the commands that it starts, peak memory, questions to slurmctld."""

import re
import time

from cluster.sites import SlurmSite
from labs.slurm import Options, SlurmLab, until
from lab_site import cpu, memory, restart, slurmrestd_site, sust_of

FEW, MANY = 50, 5_000
POLLS = 30
SUBMIT_SECONDS = 1_800


def questions(lab):
    """slurmctld's count of calls by kind, without ours for this and without what slurmds tell it."""
    told = lab.out("sdiag", "--sort-by-id").split("type")[1].split("Remote Procedure Call statistics by user")[0]
    kinds = {kind: int(count) for kind, count in re.findall(r"([A-Z_]+)\s+\(\s*\d+\) count:(\d+)", told)}
    return sum(count for kind, count in kinds.items() if "REGISTRATION" not in kind and "STATS" not in kind)


def fill(lab, api, count):
    """Until the list has that many of ours, all with their number kept, so that nothing is submitted any more."""
    had = len(lab.out("squeue", "-h", "-o", "%i").split())
    for _ in range(count - had):
        api.submit("lab", ["true"])
    until(f"{count} jobs are listed", lambda: len(lab.out("squeue", "-h", "-o", "%i").split()) == count, SUBMIT_SECONDS)


def cost(lab, pid):
    """CPU seconds (own, commands) and questions, each of one poll; a period is a second here."""
    time.sleep(5)  # the last submissions are listed and kept
    asked, before = questions(lab), cpu(pid)
    began = time.monotonic()
    time.sleep(POLLS)
    after, answered = cpu(pid), questions(lab)
    polls = time.monotonic() - began
    return *((late - early) / polls for early, late in zip(before, after)), (answered - asked) / polls


def measure(build):
    with SlurmLab(Options(nodes=2, rest=True, settings={"MaxJobCount": 20_000})) as lab:
        lab.run("scontrol", "update", "partitionname=batch", "state=down")
        with sust_of(build, SlurmSite(lab)) as (sust, api):
            pid = sust.pid("sustd")
            fill(lab, api, FEW)
            own_few, commands_few, asked_few = cost(lab, pid)
            small = memory(pid)
            fill(lab, api, MANY)
            own, commands, asked = cost(lab, pid)
            yield "poll_cpu", own * 1e3, "ms", own / own_few, f"{FEW} jobs ({own_few * 1e3:.2f} ms)"
            yield "poll_cpu_commands", commands * 1e3, "ms", commands / commands_few, f"{FEW} jobs"
            yield "poll_questions", asked, "a poll", asked / asked_few, f"{FEW} jobs"
            yield "poll_memory", memory(pid, "VmHWM") / 2**20, "MiB", None, None
            yield "poll_memory_per_job", (memory(pid) - small) / (MANY - FEW) / 1024, "KiB", None, None
            (sust.root / "config/backends.toml").write_text(slurmrestd_site(lab).configure(sust.root))
            pid = restart(sust)
            own, _, asked = cost(lab, pid)
            yield "poll_cpu_slurmrestd", own * 1e3, "ms", None, None
            yield "poll_questions_slurmrestd", asked, "a poll", asked / asked_few, f"{FEW} jobs by commands"
            yield "poll_memory_slurmrestd", memory(pid, "VmHWM") / 2**20, "MiB", None, None

"""slurm_end_seen: how long after the end of a command on a node of Slurm sustd shows it: 100 jobs, a few at a time and
of different lengths so that their ends fall anywhere in a period (a second), from the time in exit.json."""

import statistics

from cluster.sites import SlurmSite
from labs.slurm import Options, SlurmLab
from lab_site import ends_of, seconds_between, sust_of

JOBS = 100
AT_ONCE = 5
PERIOD_SECONDS = 1  # of SlurmSite


def measure(build):
    late = []
    with SlurmLab(Options(nodes=2)) as lab, sust_of(build, SlurmSite(lab)) as (_, api):
        for first in range(0, JOBS, AT_ONCE):
            made = [api.submit("lab", ["sleep", f"0.{number * 7 % 10}"]) for number in range(first, first + AT_ONCE)]
            late += [seconds_between(shown["attempts"][-1]["finished"], shown["finished"])
                     for shown in ends_of(api, made)]
    yield "slurm_end_seen", statistics.median(late), "s", statistics.median(late) / PERIOD_SECONDS, "the poll period"
    yield "slurm_end_seen_most", max(late), "s", max(late) / PERIOD_SECONDS, "the poll period"

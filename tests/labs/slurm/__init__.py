"""A real Slurm for tests and for people: see SlurmLab."""

from labs.slurm.lab import SlurmLab, why_impossible
from labs.slurm.options import IMPATIENT, Options, Partition
from labs.slurm.users import JOB_USERS
from labs.slurm.waiting import LabError, until

__all__ = ["IMPATIENT", "JOB_USERS", "LabError", "Options", "Partition", "SlurmLab", "until", "why_impossible"]

"""A real Slurm as a back end of Sust: what its tests share."""

from cluster.jobs import Jobs
from conftest import wait_for
from labs.slurm.rest import VERSION as OLDEST  # it can neither keep off nodes nor hold them


def site(lab, shared, token_file, transport, more=""):
    """backends.toml of one back end, and the token of one that is asked by slurmrestd."""
    text = (f'[backend.lab]\ntype = "slurm"\njobs = "{shared}"\nperiod = "1s"\ncarrier_grace = "2s"\n'
            f'silence = "15s"\nsrun = "{lab.programs.argv("srun")[0]}"\n{more}\n')
    if transport != "commands":  # "slurmrestd", or "socket" for its other place
        token_file.parent.mkdir(parents=True, exist_ok=True)
        token_file.touch(0o600)
        token_file.write_text(f"SLURM_JWT={lab.rest.token(lifespan_seconds=3600)}\n")
        rest = lab.rest.address if transport == "slurmrestd" else f"unix:{lab.rest.socket}"
        if lab.rest.version != OLDEST:  # from then on slurmrestd does not tell which partition is the default
            text += 'partition = "batch"\n'
        return f'{text}rest = "{rest}"\ntoken_file = "{token_file}"\n'
    return (f'{text}[backend.lab.env]\nSLURM_CONF = "{lab.environment["SLURM_CONF"]}"\n'
            f'PATH = "{lab.programs.path}"\n')


def connect(lab, sust, folder, transport, more="", shared=None):
    """Sust with that back end, up and with its first look behind it."""
    lab.wait_until_up()
    jobs = Jobs(sust, folder, "lab")
    jobs.shared = shared or sust.root / "shared"
    jobs.token_file = sust.root / "config/slurm.token"
    for place in (jobs.shared, sust.root / "config"):
        place.mkdir(parents=True, exist_ok=True)
    (sust.root / "config/backends.toml").write_text(site(lab, jobs.shared, jobs.token_file, transport, more))
    sust.up()
    wait_for("the site was looked at", lambda: sust.run("node", "ls", "--backend", "lab", check=False).returncode == 0)
    return jobs


def native(jobs, job, epoch=1):
    """What Slurm calls it."""
    file = jobs.shared / job / str(epoch) / "native_id"
    return int(wait_for("Slurm has it", lambda: file.exists() and file.read_text()))

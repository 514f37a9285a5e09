"""slurm_submit and slurmrestd_submit: submissions a second through sustd beside plain `sbatch --parsable`, and by
slurmrestd beside plain POST on a kept connection; taking turns in one run, on a Slurm whose nodes take no work. The
plain ones go one after the other, as in a script. sustd has a few under way at once (`submissions` of backends.toml):
beside it are therefore plain ones, too, of as many processes or connections at once (`_abreast`)."""

import http.client
import json
import multiprocessing
import statistics
import subprocess
import time

from cluster.sites import SlurmSite
from labs.slurm import Options, SlurmLab
from labs.slurm.rest import VERSION
from lab_site import slurmrestd_site, sust_of

JOBS = 100
ROUNDS = 5
ABREAST = 4  # the default of `submissions`
DEADLINE_SECONDS = 120


def through_us(api, shared, jobs):
    """Until Slurm has them all: its number for a job is a file of the attempt."""
    began = time.monotonic()
    left = {shared / api.submit("lab", ["true"]) / "1/native_id" for _ in range(jobs)}
    while left:
        left = {file for file in left if not file.exists()}
        if time.monotonic() - began > DEADLINE_SECONDS:
            raise TimeoutError(f"{len(left)} jobs were not submitted in {DEADLINE_SECONDS} s")
        time.sleep(0.005)
    return jobs / (time.monotonic() - began)


def by_sbatch(lab, script, jobs):
    began = time.monotonic()
    subprocess.run(["sh", "-c", 'for _ in $(seq "$1"); do sbatch --parsable --output=/dev/null --time=2 "$2" || exit; done',
                    "sh", str(jobs), str(script)], env=lab.client_environment(), stdout=subprocess.DEVNULL, check=True)
    return jobs / (time.monotonic() - began)


def by_sbatch_abreast(lab, script, jobs):
    began = time.monotonic()
    subprocess.run(["sh", "-c", 'seq "$1" | xargs -P "$3" -I{} sbatch --parsable --output=/dev/null --time=2 "$2"',
                    "sh", str(jobs), str(script), str(ABREAST)], env=lab.client_environment(),
                   stdout=subprocess.DEVNULL, check=True)
    return jobs / (time.monotonic() - began)


def by_post(lab, token, jobs):
    body = json.dumps({"job": {"name": "plain", "current_working_directory": "/tmp", "standard_output": "/dev/null",
                               "time_limit": 2, "environment": {"PATH": "/usr/bin:/bin"}},
                       "script": "#!/bin/sh\ntrue\n"})
    headers = {"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": token, "Content-Type": "application/json"}
    link = http.client.HTTPConnection("127.0.0.1", lab.rest.port, timeout=30)
    began = time.monotonic()
    for _ in range(jobs):
        link.request("POST", f"/slurm/{VERSION}/job/submit", body, headers)
        answer = link.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 200 and said["job_id"], said
    took = time.monotonic() - began
    link.close()
    return jobs / took


def by_post_abreast(lab, token, jobs):
    """Each of the processes has a connection: threads of one Python would wait for each other."""
    began = time.monotonic()
    children = [multiprocessing.Process(target=by_post, args=(lab, token, jobs // ABREAST)) for _ in range(ABREAST)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0, "a POST was refused"
    return jobs / (time.monotonic() - began)


def compare(build, site, metric, peer, plain, abreast):
    """Medians of the submissions a second, and of the ratios of the rounds."""
    with sust_of(build, site) as (_, api):
        rounds = [(plain(), through_us(api, site.shared, JOBS), abreast()) for _ in range(ROUNDS)]
    theirs, ours, at_once = map(statistics.median, zip(*rounds))
    ratios = [statistics.median(our / other for other, our in pairs)
              for pairs in ([(one, our) for one, our, _ in rounds], [(many, our) for _, our, many in rounds])]
    yield metric, ours, "/s", ratios[0], f"{peer} ({theirs:.2f} /s)"
    yield f"{metric}_abreast", ours, "/s", ratios[1], f"{ABREAST} x {peer} at once ({at_once:.2f} /s)"


def measure(build):
    with SlurmLab(Options(nodes=2, rest=True)) as lab:
        for node in lab.nodes:
            node.drain("nothing runs while submissions are timed")
        script = lab.scratch / "plain.sh"
        script.write_text("#!/bin/sh\ntrue\n")
        script.chmod(0o700)
        yield from compare(build, SlurmSite(lab), "slurm_submit", "sbatch", lambda: by_sbatch(lab, script, JOBS),
                           lambda: by_sbatch_abreast(lab, script, JOBS))
        token = lab.rest.token(lifespan_seconds=7200)
        yield from compare(build, slurmrestd_site(lab), "slurmrestd_submit", "POST", lambda: by_post(lab, token, JOBS),
                           lambda: by_post_abreast(lab, token, JOBS))

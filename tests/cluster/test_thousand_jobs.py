"""1,000 short jobs on every real back end, all submitted at once: each runs once, and what a job took goes to SOAK.md."""

import time

import pytest

from cluster.conformance import jobs, submit_many  # noqa: F401 - `jobs` is a fixture
from cluster.kubernetes_site import load_agent
from cluster.sites import KubernetesSite, LocalSite, SlurmSite
from conftest import wait_for
from labs.figures import record
from labs.slurm import Options, SlurmLab, why_impossible

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]
JOBS = 1000
WITHIN_SECONDS = 5400


@pytest.fixture(params=["local", "slurm", "slurmrestd", "kubernetes"])
def site(request, build, tmp_path):
    if request.param == "local":
        yield LocalSite()
    elif request.param == "kubernetes":
        lab = request.getfixturevalue("kubernetes")
        load_agent(lab, build, tmp_path)
        yield KubernetesSite(lab)
    else:
        if reason := why_impossible():
            pytest.skip(reason)
        by_rest = request.param == "slurmrestd"
        with SlurmLab(Options(nodes=3, rest=by_rest)) as lab:
            yield SlurmSite(lab, "slurmrestd" if by_rest else "commands")


def shown(jobs):
    return {job["id"]: job for job in jobs.sust.json("job", "ls")}


def test_a_thousand_short_jobs_each_run_once(site, jobs, request):  # noqa: F811
    marks = jobs.folder / "ran"
    by_log = "job_directory" in site.declared  # its nodes see no file of ours
    began = time.monotonic()
    made = submit_many(jobs, JOBS, repr("$(echo ran >&2)" if by_log else f"$(echo $SUST_JOB_TOKEN >>{marks})"))
    submitted = time.monotonic() - began
    wait_for("all have ended", lambda: all(job["final"] for job in shown(jobs).values()), within=WITHIN_SECONDS)
    took = time.monotonic() - began
    ended = shown(jobs)
    assert sorted(ended) == sorted(made) and len(ended) == JOBS
    assert {(job["end"], job["exit_status"], len(job["attempts"])) for job in ended.values()} == {("completed", 0, 1)}
    if by_log:
        assert [job for job in made if jobs.out(job) != "ran\n"] == []
    else:
        assert sorted(marks.read_text().split()) == sorted(made)
    record("a thousand short jobs", request.node.callspec.params["site"],
           {"milliseconds_per_job": round(took / JOBS * 1e3, 1),
            "milliseconds_per_submission": round(submitted / JOBS * 1e3, 1)})

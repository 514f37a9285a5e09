"""`sust job` as the tests of back ends use it."""

import json

from conftest import wait_for
from processes import processes_of


class Jobs:
    """`sust job` against one root, by its JSON."""

    def __init__(self, sust, folder, backend=None):
        self.sust, self.folder, self.backend = sust, folder, backend

    def file(self, script, text=""):
        path = self.folder / "job.toml"
        path.write_text(f"script = {json.dumps(script)}\n{text}\n")
        return path

    def submit(self, script, text="", *words):
        backend = ("--backend", self.backend) if self.backend else ()
        return self.sust.json("job", "submit", self.file(script, text), *backend, *words)["id"]

    def show(self, job):
        return self.sust.json("job", "show", job)

    def end(self, job, within=60):
        return wait_for(f"the end of {job}", lambda: (shown := self.show(job))["final"] and shown, within)

    def running(self, job):
        return wait_for(f"{job} runs", lambda: (shown := self.show(job))["state"] == "running" and shown)

    def wait(self, job, **options):
        return self.sust.run("job", "wait", job, check=False, **options)

    def out(self, job):
        return self.sust.run("job", "logs", job).stdout

    def wrapper(self, job):
        return next(pid for pid, line in processes_of(self.sust.root) if "sust-agent" in line and job in line)

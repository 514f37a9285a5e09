"""One installation under test: its runs, jobs, replicas and programs, and load on its gateway."""

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import wait_for

ENDED = ("succeeded", "failed", "refused", "cancelled", "lost")
# A few steps: these tests are about who dies, not about what is learned.
SHORT = {"max_steps": 12, "checkpoint_steps": 2, "eval_limit": 4, "max_perplexity_growth": 10}


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def lives(pid):
    """A zombie has ended; who reaps it is the business of init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Site:
    """One installation and what can be asked of it while its programs come and go."""

    def __init__(self, sust):
        self.sust = sust

    # --- runs

    def start_run(self, **settings):
        words = [word for name, value in {**SHORT, **settings}.items() for word in ("--set", f"{name}={value}")]
        return self.sust.json("tune", "start", "sft-lora", "--base", "tiny", "--data", "tickets", "--eval", "known",
                              "--name", "triage", *words)["id"]

    def run(self, run):
        """The run, or nothing while sustd is away."""
        done = self.sust.run("--json", "tune", "show", run, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def until_run(self, run, what, wanted, within=300.0):
        def look():
            shown = self.run(run)
            if shown and wanted(shown):
                return shown
            if shown and shown["state"] in ENDED:
                pytest.fail(f"{what} was not seen; the run {shown['state']}: {shown.get('reason')}")
            return None
        return wait_for(what, look, within)

    def attempts(self, run):
        return {stage["name"]: stage["attempts"] for stage in self.run(run)["stages"]}

    # --- jobs

    def newest_attempt(self, token):
        job = self.sust.root / "data/jobs" / token
        return job / str(json.loads((job / "fence.json").read_text())["epoch"])

    def jobs(self, prefix):
        folder = self.sust.root / "data/jobs"
        return sorted(job.name for job in folder.iterdir() if job.name.startswith(prefix)) if folder.exists() else []

    def identity(self, token, who):
        """The pid of the wrapper or the child of a job that runs; nothing before and after."""
        attempt = self.newest_attempt(token)
        if not (attempt / "attempt.json").exists() or (attempt / "exit.json").exists():
            return None
        return json.loads((attempt / "attempt.json").read_text())[who]["pid"]

    # --- control

    def kill(self, program):
        kill(self.sust.pid(program))

    def kill_and_wait(self, program):
        """Until another process has its place and the API answers again."""
        old = self.sust.pid(program)
        kill(old)
        wait_for(f"another {program}", lambda: self.sust.pid(program) != old)
        self.until_up()

    def until_up(self):
        wait_for("sustd and the gateway answer", lambda: self.sust.run("status", check=False).returncode == 0, 90)

    # --- the service

    def serve(self, replicas=2):
        spec = self.sust.root / "service.toml"
        spec.write_text(f'name = "demo"\nbase = "tiny"\nreplicas = {replicas}\n')
        self.sust.run("serve", "apply", spec, timeout=400)

    def service(self):
        done = self.sust.run("--json", "serve", "show", "demo", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {"ready": -1, "replicas": []}

    def until_ready(self, replicas=2, within=240.0):
        return wait_for(f"{replicas} replicas answer",
                        lambda: (shown := self.service())["ready"] == replicas and shown, within)

    def engines(self):
        """Every engine process of this root, by its environment, which only its job gives it."""
        mark = f"SUST_JOB_ATTEMPT={self.sust.root}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    if b"llama-server" in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
            except OSError:
                continue
        return found

    def new_key(self):
        return Path(self.sust.json("key", "create", "--name", "test")["key_file"]).read_text().strip()

    def usage(self):
        return next(key["usage"] for key in self.sust.json("key", "ls") if key["name"] == "test")

    def ask(self, key, tokens=4, timeout=60):
        """The text of one answer; an error is the caller's."""
        body = json.dumps({"model": "tiny", "temperature": 0, "max_tokens": tokens,
                           "messages": [{"role": "user", "content": "My home directory is full."}]}).encode()
        request = urllib.request.Request(f"{self.sust.endpoint()}/v1/chat/completions", body,
                                         {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)["choices"][0]["message"]["content"]

    def try_ask(self, key):
        try:
            return self.ask(key) is not None
        except (OSError, ValueError):
            return False


class Load:
    """Requests one after the other in the background until the block ends."""

    def __init__(self, site, key):
        self.site, self.key = site, key
        self.good, self.bad = 0, []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.stop.is_set():
            try:
                self.site.ask(self.key)
                self.good += 1
            except urllib.error.HTTPError as error:
                self.bad.append(f"{error.code} {error.read()[:300]}")
            except OSError as error:
                self.bad.append(str(error))
                time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

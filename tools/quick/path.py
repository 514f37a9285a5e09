"""The steps of the quick start after the build; each is skipped when what it makes is there."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from report import facts_of, show
from state import State
from sust import Failed, Sust

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = "triage"
SERVICE = "demo"
DATASETS = {"train": "tickets", "known": "tickets-known", "new": "tickets-new"}
KEY = "quickstart"
QUESTION = "Sort this ticket: My home directory is full. This is urgent."


class Walk:
    """The whole path, one method per step, in order."""

    def __init__(self, options):
        self.root = Path(options.root).absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        self.state = State(self.root / "quickstart.json")
        self.sust = Sust(REPOSITORY / "build/release/bin/sust", self.root, options.listen)
        self.settings = options.set
        self.seconds = dict(self.state.get("seconds", {}))

    def step(self, name, action):
        """Shown with its time; a step that had nothing to do keeps the time of its real run."""
        print(f"[{name}]", file=sys.stderr, flush=True)
        before = time.monotonic()
        if action() is not False:
            self.seconds[name] = round(time.monotonic() - before, 1)
            self.state.set(seconds=self.seconds)

    def keep_build_times(self):
        for entry in os.environ.get("QUICKSTART_SECONDS", "").split():
            name, _, value = entry.partition("=")
            self.seconds[name] = max(float(value), self.seconds.get(name, 0.0))
        self.state.set(seconds=self.seconds)

    def images(self):
        have = {image["name"] for image in self.sust.json("image", "ls")}
        missing = [name for name in ("llama-cpp", "trainer") if name not in have]
        for name in missing:
            self.sust.run("image", "build", REPOSITORY / "images" / f"{name}.toml")
        return bool(missing)

    def start(self):
        was_up = self.sust.try_json("status")
        self.sust.up()
        return was_up is None

    def base(self):
        if self.sust.try_json("model", "show", "tiny"):
            return False
        self.sust.run("model", "import", REPOSITORY / "models/tiny", "--name", "tiny")

    def data(self):
        if self.state.get("data") and all(self.sust.try_json("data", "show", name) for name in DATASETS.values()):
            return False
        folder = self.root / "tickets"
        subprocess.run(["/usr/bin/python3", REPOSITORY / "examples/tickets/make.py", folder],
                       check=True, stdout=sys.stderr)
        for file, name in DATASETS.items():
            self.sust.run("data", "add", folder / f"{file}.jsonl", "--name", name)
        self.state.set(data=True)

    def tune(self):
        run = self.state.get("run")
        known = self.sust.try_json("tune", "show", run) if run else None
        if known and known["state"] == "succeeded":
            return False
        if known and not known["final"]:
            # Still at work, or sustd has yet to see that it was interrupted.
            known = self.follow(run)
            if known["state"] == "succeeded":
                return None
        if known and known["state"] in ("cancelled", "failed", "lost"):
            self.sust.run("tune", "resume", run, "--follow")
            return None
        if not known or known["state"] == "refused":
            sets = [word for setting in self.settings for word in ("--set", setting)]
            run = self.sust.json("tune", "start", "sft-lora", "--base", "tiny", "--data", "tickets", "--eval",
                                 "tickets-known", "--eval", "tickets-new", "--name", MODEL, *sets)["id"]
            self.state.set(run=run)
        ended = self.follow(run)
        if ended["state"] != "succeeded":
            print(f"tools/quickstart: {run} {ended['state']}: {ended.get('reason', '')}", file=sys.stderr)
            raise Failed(1)
        return None

    def follow(self, run):
        """The run once it has ended; its progress on standard error."""
        while True:
            shown = self.sust.json("tune", "show", run)
            if shown["final"]:
                print(file=sys.stderr)
                return shown
            progress = shown.get("progress") or {}
            line = f"  {shown.get('stage')}: " + ", ".join(
                f"{name} {progress[name]:.4g}" for name in ("step", "steps", "loss", "tokens_per_second", "eta_seconds")
                if isinstance(progress.get(name), (int, float)))
            print(f"\r\x1b[K{line}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n",
                  file=sys.stderr, flush=True)
            time.sleep(1 if sys.stderr.isatty() else 10)

    def serve(self):
        spec = self.root / "service.toml"
        spec.write_text(f'name = "{SERVICE}"\nbase = "tiny"\nadapters = ["{MODEL}"]\nreplicas = 2\n')
        self.sust.run("serve", "apply", spec)

    def key(self):
        file = self.state.get("key_file")
        valid = [key for key in self.sust.json("key", "ls") if key["name"] == KEY and not key.get("revoked")]
        if valid and file and Path(file).exists():
            return False
        if valid:
            self.sust.run("key", "revoke", KEY)
        self.state.set(key_file=self.sust.json("key", "create", "--name", KEY, "--metrics")["key_file"])

    def endpoint(self):
        return self.sust.json("status")["endpoint"]

    def ask(self):
        key = Path(self.state["key_file"]).read_text().strip()
        for model in ("tiny", MODEL):
            body = json.dumps({"model": model, "temperature": 0, "max_tokens": 40,
                               "messages": [{"role": "user", "content": QUESTION}]}).encode()
            request = urllib.request.Request(
                f"{self.endpoint()}/chat/completions", body,
                {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = json.load(answer)["choices"][0]["message"]["content"]
            print(f"  {model}: {text[:80]!r}", file=sys.stderr)

    def walk(self):
        self.keep_build_times()
        for name in ("images", "start", "base", "data", "tune", "serve", "key", "ask"):
            self.step(name, getattr(self, name))

    def again(self):
        self.state.forget("data", "run")
        for name in ("data", "tune", "serve"):
            self.seconds.pop(name, None)

    def show(self, as_json):
        run = self.sust.json("tune", "show", self.state["run"])
        service = self.sust.json("serve", "show", SERVICE)
        show(facts_of(run, service, self.state, self.endpoint(), self.state["key_file"]), self.sust, as_json)


def options_of(words):
    parser = argparse.ArgumentParser(prog="tools/quickstart")
    parser.add_argument("--root", default=REPOSITORY / ".quickstart")
    parser.add_argument("--listen", default="127.0.0.1:8080")
    parser.add_argument("--set", action="append", default=[])
    for flag in ("--again", "--stop", "--json"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args(words)


def main():
    options = options_of(sys.argv[1:])
    path = Walk(options)
    if options.stop:
        path.sust.run("down")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        if options.again:
            path.again()
        path.walk()
        path.show(options.json)
        return 0
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\ntools/quickstart: interrupted; stopping what was started", file=sys.stderr)
        path.sust.down()
        print("run it again to go on from here", file=sys.stderr)
        return 130
    except (Failed, OSError) as error:
        status = error.status if isinstance(error, Failed) else 1
        print(f"tools/quickstart: this step failed ({error}); mend it and run tools/quickstart again, "
              f"it goes on from here. What was started still runs; --stop ends it.", file=sys.stderr)
        return status


if __name__ == "__main__":
    sys.exit(main())

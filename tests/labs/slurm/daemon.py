"""One daemon of a lab, in the foreground, with a record by which a later process finds it again."""

import json
import signal
import subprocess
from pathlib import Path

from labs.slurm.family import Family
from labs.slurm.identity import identity, send
from labs.slurm.waiting import LabError, until


class Daemon:
    """Started, faulted and ended by tests, from one thread. It outlives this object; the lab's close ends it.

    `ready` is asked until it returns true after every start.
    """

    def __init__(self, name: str, argv, lab_directory: Path, lab_family: Family, environment: dict,
                 ready=lambda: True, wrap=lambda argv: argv):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.record = lab_directory / f"run/{name}.json"
        self.output = lab_directory / f"log/{name}.out"
        self.family = Family(f"{lab_family.folder.name}/{name}")
        self.environment = environment
        self.ready = ready
        self.wrap = wrap
        self.child = None

    def launch(self):
        """Without waiting until it is ready."""
        if self.alive():
            raise LabError(f"{self.name} is running already")
        self.family.make()
        with open(self.output, "ab") as out:
            self.child = subprocess.Popen(self.family.entering(self.wrap(self.argv)), stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out, env=self.environment, start_new_session=True)
        self.record.write_text(json.dumps({"pid": self.child.pid, "identity": identity(self.child.pid)}))

    def start(self, within=30.0):
        self.launch()
        self.wait_until_ready(within)

    def wait_until_ready(self, within=30.0):
        def look():
            if not self.alive():
                raise LabError(f"{self.name} ended\n{self.log_end()}")
            return self.ready()

        until(f"{self.name} is ready", look, within, self.log_end)

    def known(self) -> tuple[int, str | None]:
        try:
            said = json.loads(self.record.read_text())
            return said["pid"], said["identity"]
        except FileNotFoundError:
            return 0, None

    def pid(self) -> int:
        return self.known()[0]

    def alive(self) -> bool:
        if self.child:
            self.child.poll()  # a dead child of ours is a zombie until then
        pid, known_as = self.known()
        return known_as is not None and identity(pid) == known_as

    def signal(self, number: int):
        pid, known_as = self.known()
        if known_as is None or not send(pid, known_as, number):
            raise LabError(f"{self.name} is not running")

    def stop(self, within=30.0):
        """As an administrator stops it: it may save its state."""
        self.signal(signal.SIGTERM)
        until(f"{self.name} has ended", lambda: not self.alive(), within, self.log_end)

    def kill(self):
        """As if it crashed; what it started goes on."""
        self.signal(signal.SIGKILL)
        until(f"{self.name} is killed", lambda: not self.alive())

    def hang(self):
        """It answers no more, and its connections stay open."""
        self.signal(signal.SIGSTOP)

    def go_on(self):
        self.signal(signal.SIGCONT)

    def log_end(self, lines=15) -> str:
        """What it said last, in its own log and on its output."""
        files = [self.output, self.output.with_suffix(".log")]
        return "\n".join("\n".join(file.read_text(errors="replace").splitlines()[-lines:])
                         for file in files if file.exists())

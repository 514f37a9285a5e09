"""One program of the lab: started in the foreground, known by its identity file, hurt on request."""

import json
import signal
import subprocess
from pathlib import Path

from conftest import wait_for
from labs.kubernetes.identity import child_of, identity, lives, send

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
               # kubelet asks whether it is in a cloud; with these it does not ask the network.
               "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}


class Daemon:
    """Owned by one lab. Its output goes to log/NAME, its identity to run/NAME.json under `folder`.

    With `inside`, a function that gives the first process of a node, the program runs in that node's
    namespaces. `forks` says that argv is a wrapper whose only child is the program meant.
    """

    def __init__(self, folder: Path, name: str, argv, inside=None, forks=False):
        self.folder = folder
        self.name = name
        self.argv = [str(word) for word in argv]
        self.inside = inside
        self.forks = forks or inside is not None
        self.known = None
        self.wrapper = None

    @property
    def log(self) -> Path:
        return self.folder / "log" / self.name

    @property
    def alive(self) -> bool:
        return self.known is not None and lives(self.known)

    def start(self):
        assert not self.alive, f"{self.name} runs already"
        enter = []
        if self.inside:
            enter = ["nsenter", "--target", str(self.inside()), "--mount", "--uts", "--ipc", "--net", "--pid"]
        with open(self.log, "ab") as log:
            self.wrapper = subprocess.Popen([*enter, *self.argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=ENVIRONMENT, cwd="/", start_new_session=True)
        # Recorded at once, and again when the wrapper has its child: a killed test leaves nothing unknown.
        self.record(self.wrapper.pid)
        if self.forks:
            self.record(wait_for(f"{self.name} to fork, see {self.log}", lambda: self.forked(), 20))

    def forked(self):
        assert self.wrapper.poll() is None, f"{self.name} did not start, see {self.log}"
        return child_of(self.wrapper.pid)

    def record(self, pid: int):
        self.known = identity(pid)
        file = self.folder / "run" / f"{self.name}.json"
        file.with_suffix(".new").write_text(json.dumps(self.known))
        file.with_suffix(".new").rename(file)

    def signal(self, number: int):
        if self.known:
            send(self.known, number)

    def gone(self) -> bool:
        return self.wrapper is None or (self.wrapper.poll() is not None and not self.alive)

    def kill(self):
        """SIGKILL, as the kernel does when memory is short."""
        self.signal(signal.SIGKILL)
        wait_for(f"{self.name} to end", self.gone, 20)

    def stop(self, patience=10):
        """SIGTERM; SIGKILL when that is not enough."""
        self.signal(signal.SIGTERM)
        try:
            if self.wrapper:
                self.wrapper.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self):
        self.kill()
        self.start()

    def freeze(self):
        """The process is there and does nothing: connections stay open, nobody answers."""
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def last_words(self, lines=15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

"""slurmrestd, which takes a user's token and acts as that user."""

import http.client
import json
import shutil
import socket

from labs.slurm.users import SERVICE_USER, as_user

VERSION = "v0.0.38"  # the newest that Debian 12's Slurm speaks


class Rest:
    """Listens on the loopback's `port` and on `socket`."""

    def __init__(self, lab):
        self.lab = lab
        self.port = lab.slot.port("slurmrestd")
        self.address = f"http://127.0.0.1:{self.port}"
        self.socket = lab.directory / "rest/socket"
        # Named one by one: its default list has the database's, without which it refuses to start.
        words, self.version = lab.programs.rest
        plugins = [f"openapi/{word}" for word in (words if lab.options.accounting else words[:1])]
        argv = [*lab.programs.argv("slurmrestd"), "-a", "rest_auth/jwt", "-s", ",".join(plugins), "-f",
                lab.configuration.file, f"127.0.0.1:{self.port}", f"unix:{self.socket}"]
        # Neither root nor SlurmUser, which it refuses; SLURM_JWT=daemon: it has no token of its own.
        self.slurmrestd = lab.daemon("slurmrestd", as_user(SERVICE_USER) + argv, ready=self.listens,
                                     environment={"SLURM_JWT": "daemon"})

    def start(self):
        self.socket.parent.mkdir(exist_ok=True)
        shutil.chown(self.socket.parent, SERVICE_USER)
        self.socket.unlink(missing_ok=True)
        self.slurmrestd.start()

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def token(self, user="root", lifespan_seconds=600) -> str:
        said = self.lab.out("scontrol", "token", f"username={user}", f"lifespan={lifespan_seconds}")
        return said.removeprefix("SLURM_JWT=")

    def call(self, method: str, path: str, user="root", token=None, body=None) -> tuple[int, dict]:
        """`path` begins after the version, like "ping" or "job/7"."""
        headers = {"X-SLURM-USER-NAME": user, "X-SLURM-USER-TOKEN": token or self.token(user),
                   "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, f"/slurm/{self.version}/{path}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else {"text": text.decode()}
        finally:
            connection.close()

"""The command line as the quick start drives it."""

import json
import os
import subprocess
import sys


class Failed(Exception):
    """A command failed; it has said why on standard error."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Sust:
    def __init__(self, program, root, listen):
        self.argv = [str(program), "--root", str(root)]
        self.listen = listen

    def run(self, *arguments):
        """Progress and errors are the command's own, on standard error."""
        done = subprocess.run([*self.argv, *map(str, arguments)], stdout=sys.stderr)
        if done.returncode != 0:
            raise Failed(done.returncode)

    def json(self, *arguments):
        done = subprocess.run([*self.argv, "--json", *map(str, arguments)], stdout=subprocess.PIPE)
        if done.returncode != 0:
            raise Failed(done.returncode)
        return json.loads(done.stdout)

    def try_json(self, *arguments):
        """None where the command fails; nothing is shown."""
        done = subprocess.run([*self.argv, "--json", *map(str, arguments)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def up(self):
        self.run("up", "--config", f"gateway.listen={self.listen}")

    def down(self):
        # An interrupted start must be cleared away even while more Ctrl-C arrive.
        subprocess.run([*self.argv, "--quiet", "down"], stdout=sys.stderr, preexec_fn=os.setsid)

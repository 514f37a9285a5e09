"""Looking at the processes of this machine."""

import os


def processes_of(root):
    """(pid, command line) of every process whose command line names the root, but for ours."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    words = file.read()
            except OSError:
                continue
            if str(root).encode() in words:
                found.append((int(entry), words.replace(b"\0", b" ").decode(errors="replace")))
    return found

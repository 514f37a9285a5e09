"""tools/lab kubernetes: a cluster for people, which stays until it is told to go."""

import argparse
import json
import subprocess
import sys
import time

import pytest

from labs.kubernetes.identity import lives
from labs.kubernetes.lab import KubernetesLab
from labs.kubernetes.place import places, registry, release, sweep
from labs.kubernetes.programs import ensure_programs


def up(options):
    began = time.monotonic()
    lab = KubernetesLab(nodes=options.nodes, keep=True)
    lab.start()
    files = {user: lab.kubeconfig(user) for user in ("admin", "limited")}
    print(f"lab {lab.place.number}: {options.nodes} nodes, ready in {time.monotonic() - began:.0f} s\n\n"
          f"    export KUBECONFIG={files['admin']}\n"
          f"    kubectl get nodes\n\n"
          f"A user with rights in namespace 'team' only: {files['limited']}\n"
          f"Images of its nodes: lab.local/busybox:1, lab.local/pause:1; output of its daemons: {lab.folder}/log\n"
          f"End it with: tools/lab kubernetes down {lab.place.number}")


def chosen(number):
    return [place for place in places() if number is None or place.number == number]


def down(options):
    """Kept labs; those of running tests end with their test."""
    found = 0
    for place in chosen(options.number):
        owner = json.loads((place.folder / "owner.json").read_text())
        if owner["kept"] or not place.owned():
            release(place)
            found += 1
            print(f"lab {place.number} is gone")
        else:
            print(f"lab {place.number} belongs to process {owner['pid']}, it is left")
    if not found:
        print("no lab was up")


def status(options):
    with registry():
        sweep()
        shown = chosen(options.number)
    for place in shown:
        owner = json.loads((place.folder / "owner.json").read_text())
        who = "kept until down" if owner["kept"] else f"of process {owner['pid']}"
        print(f"lab {place.number}, {who}, up for {time.time() - owner['since']:.0f} s, {place.folder}")
        for file in sorted((place.folder / "run").glob("*.json")):
            known = json.loads(file.read_text())
            print(f"    {file.stem:20} {'runs' if lives(known) else 'ended':6} process {known['pid']}")
        print(nodes(place.folder / "credentials/admin-token.yaml"))
    if not shown:
        print("no lab is up; tools/lab kubernetes up")


def nodes(kubeconfig) -> str:
    """What the API server says of its nodes, or why it says nothing."""
    asked = subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "--request-timeout=5s", "get", "nodes"],
                           capture_output=True, text=True)
    said = asked.stdout.splitlines()[1:] or asked.stderr.splitlines()[:1]
    return "\n".join(f"    {line}" for line in said)


def build(_):
    print(ensure_programs())


def main():
    parser = argparse.ArgumentParser(prog="tools/lab kubernetes", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for work, text in ((up, "start a cluster and say how to use it"), (down, "end it"),
                       (status, "what is up"), (build, "build the programs, once; up does it too")):
        verb = verbs.add_parser(work.__name__, help=text)
        verb.set_defaults(work=work)
        if work is up:
            verb.add_argument("--nodes", type=int, default=2, help="real nodes (2)")
        elif work is not build:
            verb.add_argument("number", type=int, nargs="?", help="of the lab; without it, every kept one")
    options = parser.parse_args()
    try:
        options.work(options)
    except (AssertionError, pytest.fail.Exception) as trouble:
        sys.exit(f"tools/lab kubernetes: {trouble}")


if __name__ == "__main__":
    main()

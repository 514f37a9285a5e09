"""A root with the images, the base and the data; and one that serves."""

import subprocess

import pytest
from conftest import REPOSITORY
from lifecycle.parts import Site


@pytest.fixture
def site(sust_with_base, tmp_path):
    sust = sust_with_base
    subprocess.run(["/usr/bin/python3", REPOSITORY / "examples/tickets/make.py", tmp_path], check=True)
    for file, name in (("train", "tickets"), ("known", "known")):
        sust.run("data", "add", tmp_path / f"{file}.jsonl", "--name", name)
    return Site(sust)


@pytest.fixture
def serving(sust_with_base):
    """The base served by two replicas."""
    site = Site(sust_with_base)
    run = site.sust.json("tune", "start", "to-gguf", "--base", "tiny")["id"]
    site.until_run(run, "the GGUF is made", lambda shown: shown["state"] == "succeeded")
    site.serve()
    return site

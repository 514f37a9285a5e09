"""The base model's recipe, as far as it goes without a network."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import RECIPES


class Fetching(unittest.TestCase):
    def test_without_a_network_it_says_which_package_and_what_to_do(self):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            (work / "lease.json").write_text('{"epoch":1}')
            (work / "apt.conf").write_text('Dir::Etc::SourceList "/nowhere";\n'
                                           'Dir::Etc::SourceParts "/nowhere";\n')
            spec = {"format": 1, "stage": "train", "epoch": 1, "threads": 1, "work": folder,
                    "lease": str(work / "lease.json"), "parameters": {"steps": 1}}
            (work / "spec.json").write_text(json.dumps(spec))
            done = subprocess.run(
                [sys.executable, RECIPES / "pretrain-tiny/train.py"], text=True,
                capture_output=True, cwd=work, env=os.environ | {
                    "SUST_SPEC": str(work / "spec.json"), "APT_CONFIG": str(work / "apt.conf"),
                    "PYTHONPATH": f"{RECIPES / 'common'}"})
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("can't fetch the package wordnet-base", done.stderr)
            self.assertIn("mirror", done.stderr)
            self.assertFalse((work / "model").exists())

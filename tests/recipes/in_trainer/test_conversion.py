"""GGUF files: the same bytes each time, and the same numbers as the model."""

import json

import gguf
import numpy as np
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file

from kit.faults import InvalidInput
from kit.gguf_tokenizer import splitter_name
from support import TINY, StageCase

HEADS, KV_HEADS = 4, 2


def tensors(path):
    return {t.name: t.data for t in gguf.GGUFReader(path).tensors}


def neighbours(rows, heads):
    """The layout's definition, written another way than in the program."""
    half = rows.shape[0] // heads // 2
    return np.stack((rows.reshape(heads, 2, half, -1)[:, 0],
                     rows.reshape(heads, 2, half, -1)[:, 1]), 2).reshape(rows.shape)


class Conversion(StageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.done = cls.shared.work()
        cls.shared.run(cls.done, "train.py", max_steps=3)
        cls.shared.run(cls.done, "convert.py")

    def test_the_same_inputs_give_the_same_bytes_in_every_recipe(self):
        files = ("base.gguf", "adapter.gguf")
        before = [(self.done / "gguf" / name).read_bytes() for name in files]
        self.shared.run(self.done, "convert.py")
        self.assertEqual([(self.done / "gguf" / name).read_bytes() for name in files], before)
        other = self.shared.work("other")
        self.shared.run(other, "convert.py", recipe="to-gguf")
        self.assertEqual((other / "gguf/base.gguf").read_bytes(), before[0])

    def test_the_base_has_the_models_numbers_in_the_engines_order(self):
        converted = tensors(self.done / "gguf/base.gguf")
        weights = {name: t.float().numpy()
                   for name, t in load_file(self.shared.base / "model.safetensors").items()}
        self.assertEqual(len(converted), len(weights))
        for ours, theirs, heads in (("self_attn.q_proj", "attn_q", HEADS),
                                    ("self_attn.k_proj", "attn_k", KV_HEADS)):
            expected = neighbours(weights[f"model.layers.1.{ours}.weight"], heads)
            np.testing.assert_array_equal(
                converted[f"blk.1.{theirs}.weight"], expected.astype(np.float16))
        np.testing.assert_array_equal(converted["blk.0.ffn_down.weight"], weights[
            "model.layers.0.mlp.down_proj.weight"].astype(np.float16))
        self.assertEqual(converted["output_norm.weight"].dtype, np.float32)
        self.assertNotIn("output.weight", converted)

    def test_the_adapters_output_rows_follow_the_bases(self):
        converted = tensors(self.done / "gguf/adapter.gguf")
        weights = load_numpy(self.done / "adapter/adapter_model.safetensors")
        self.assertEqual(len(converted), len(weights))
        key = "base_model.model.model.layers.0.self_attn.k_proj"
        np.testing.assert_array_equal(converted["blk.0.attn_k.weight.lora_a"],
                                      weights[f"{key}.lora_A.weight"])
        np.testing.assert_array_equal(converted["blk.0.attn_k.weight.lora_b"],
                                      neighbours(weights[f"{key}.lora_B.weight"], KV_HEADS))

    def test_perplexity_is_measured_for_both_or_for_the_base_alone(self):
        self.shared.run(self.done, "perplexity.py")
        found = json.loads((self.done / "perplexity.json").read_text())
        self.assertEqual(found["format"], 1)
        self.assertNotEqual(found["base"], found["tuned"])
        alone = self.shared.work("alone")
        self.shared.run(alone, "perplexity.py")
        only = json.loads((alone / "perplexity.json").read_text())
        self.assertEqual((only["base"], only["tuned"]), (found["base"], None))

    def test_a_splitting_rule_that_engines_do_not_know_is_refused(self):
        tokenizer = json.loads((TINY / "tokenizer.json").read_text())
        self.assertEqual(splitter_name(tokenizer), "smollm")
        tokenizer["pre_tokenizer"]["pretokenizers"].pop(0)
        self.assertEqual(splitter_name(tokenizer), "gpt-2")
        tokenizer["pre_tokenizer"]["pretokenizers"][0]["use_regex"] = False
        with self.assertRaises(InvalidInput):
            splitter_name(tokenizer)

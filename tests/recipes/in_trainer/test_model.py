"""The network, its adapter, and what is learned of a conversation."""

import tempfile
import unittest
from pathlib import Path

import torch
import torch.nn.functional as F

from kit import adapter, lora
from kit.chat import ChatFormat
from kit.compute import Compute, cpu_has_bf16
from kit.faults import InvalidInput
from kit.model import IGNORED, attend
from kit.perplexity import perplexity
from support import TINY, chat, micro_model

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def tokens(rows=2, length=12):
    return torch.randint(0, 2048, (rows, length), generator=torch.Generator().manual_seed(1))


class Network(unittest.TestCase):
    def test_attention_written_out_is_the_fused_one(self):
        q, k, v = torch.randn(3, 2, 4, 7, 8).unbind(0)
        fused = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        torch.testing.assert_close(attend(q, k, v), fused, rtol=1e-4, atol=1e-5)

    def test_a_position_does_not_see_later_tokens(self):
        model, one = micro_model(), tokens()
        other = one.clone()
        other[:, 8:] = 5
        torch.testing.assert_close(model.hidden(one)[:, :8], model.hidden(other)[:, :8])

    def test_ignored_targets_do_not_count(self):
        model, row = micro_model(), tokens(1)
        targets = row.roll(-1, 1)
        part = targets.clone()
        part[:, :6] = IGNORED
        logits = model.logits(model.hidden(row))
        expected = F.cross_entropy(logits[0, 6:], targets[0, 6:])
        torch.testing.assert_close(model.loss(row, part), expected)

    def test_perplexity_of_an_even_guess_is_the_size_of_the_vocabulary(self):
        model = micro_model()
        torch.nn.init.zeros_(model.model.embed_tokens.weight)
        measured = perplexity(model, tokens(1, 700)[0], Compute(torch.device("cpu"), None))
        self.assertAlmostEqual(measured, 2048, delta=0.1)

    def test_bf16_is_used_only_where_the_cpu_has_it(self):
        with tempfile.NamedTemporaryFile("w") as file:
            for flags, expected in (("flags : avx512f avx512_bf16", True), ("flags : avx2", False),
                                    ("Features : asimd bf16 i8mm", False)):
                Path(file.name).write_text(flags)
                self.assertEqual(cpu_has_bf16(Path(file.name)), expected)


class Adapter(unittest.TestCase):
    def test_a_fresh_adapter_changes_nothing_and_freezes_the_base(self):
        model, row = micro_model(), tokens()
        before = model.hidden(row)
        layers = lora.attach(model, TARGETS, 2, 4)
        torch.testing.assert_close(model.hidden(row), before, rtol=0, atol=0)
        self.assertEqual(len(layers), 2 * len(TARGETS))
        trained = {name for name, p in model.named_parameters() if p.requires_grad}
        self.assertEqual(trained, {f"{name}.{m}" for name in layers for m in adapter.MATRICES})

    def test_written_and_read_back_it_gives_the_same_outputs(self):
        model, row = micro_model(), tokens()
        layers = lora.attach(model, TARGETS, 2, 4)
        for layer in layers.values():
            torch.nn.init.normal_(layer.lora_B)
        with tempfile.TemporaryDirectory() as folder:
            adapter.write(Path(folder) / "a", layers, adapter.describe(2, 4, TARGETS))
            again = micro_model()
            attached = adapter.attach(Path(folder) / "a", again)
        torch.testing.assert_close(again.hidden(row), model.hidden(row), rtol=0, atol=0)
        lora.enable(attached, False)
        torch.testing.assert_close(again.hidden(row), micro_model().hidden(row), rtol=0, atol=0)

    def test_a_target_that_the_base_lacks_is_named(self):
        with self.assertRaisesRegex(InvalidInput, "named 'c_attn'"):
            lora.attach(micro_model(), ["q_proj", "c_attn"], 2, 4)


class Conversation(unittest.TestCase):
    def setUp(self):
        self.chat = ChatFormat(TINY)

    def scored(self, example):
        kept = [token for token, counts in zip(example.tokens, example.scored) if counts]
        return self.chat.tokenizer.decode(kept, skip_special_tokens=False)

    def test_only_answers_and_their_end_are_learned(self):
        turns = chat("one?", "first")["messages"] + chat("two?", "second")["messages"]
        example = self.chat.example({"messages": turns})
        self.assertEqual(self.scored(example), "first<|im_end|>second<|im_end|>")

    def test_a_prompt_is_cut_into_tokens_as_an_engine_does_it_alone(self):
        record = chat("How many?", "12")
        prompt = self.chat.render(record["messages"][:1], prompt=True)
        alone = self.chat.tokenizer.encode(prompt).ids
        self.assertEqual(self.chat.example(record).tokens[:len(alone)], alone)

    def test_completions_are_learned_without_their_prompt(self):
        example = self.chat.example({"prompt": "a b", "completion": " c"})
        self.assertEqual(self.scored(example), " c<|im_end|>")

    def test_documents_are_learned_whole(self):
        self.assertTrue(all(self.chat.document({"text": "a river"}).scored))

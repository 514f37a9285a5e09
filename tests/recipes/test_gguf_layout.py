"""Names and row order of GGUF tensors."""

from kit import gguf_layout


def test_names_follow_the_engines_layout():
    name = gguf_layout.tensor_name
    assert name("model.layers.12.self_attn.q_proj") == "blk.12.attn_q.weight"
    assert name("model.layers.0.post_attention_layernorm") == "blk.0.ffn_norm.weight"
    assert name("model.embed_tokens") == "token_embd.weight"
    assert name("lm_head") == "output.weight"


def test_rows_that_rotate_together_become_neighbours_within_each_head():
    assert gguf_layout.interleaved(8, 2) == [0, 2, 1, 3, 4, 6, 5, 7]
    assert sorted(gguf_layout.interleaved(64, 4)) == list(range(64))


def test_only_queries_and_keys_are_reordered():
    config = {"num_attention_heads": 8, "num_key_value_heads": 2}
    heads = gguf_layout.rotated_heads
    assert heads("model.layers.0.self_attn.q_proj", config) == 8
    assert heads("model.layers.0.self_attn.k_proj", config) == 2
    assert heads("model.layers.0.self_attn.v_proj", config) == 0
    assert heads("model.layers.0.self_attn.k_proj", {"num_attention_heads": 8}) == 8

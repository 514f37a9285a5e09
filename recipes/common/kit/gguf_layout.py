"""How a Llama's tensors are called and ordered in GGUF."""

LAYERS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OTHERS = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}


def tensor_name(module: str) -> str:
    """GGUF's name of a module's weight: `model.layers.0.mlp.up_proj` -> `blk.0.ffn_up.weight`."""
    if module in OTHERS:
        return OTHERS[module] + ".weight"
    _, _, number, layer = module.split(".", 3)
    return f"blk.{number}.{LAYERS[layer]}.weight"


def rotated_heads(module: str, config: dict) -> int:
    """How many heads' rows of this weight take part in the rotary embedding; 0 for none."""
    heads = config["num_attention_heads"]
    if module.endswith("q_proj"):
        return heads
    if module.endswith("k_proj"):
        return config.get("num_key_value_heads", heads)
    return 0


def interleaved(rows: int, heads: int) -> list[int]:
    """The order of rows for ggml: Hugging Face rotates row i with i + half, ggml with i + 1."""
    per_head = rows // heads
    return [head * per_head + row for head in range(heads) for row in _paired(per_head)]


def _paired(count: int):
    """0, half, 1, half + 1, ..."""
    half = count // 2
    return (row for first in range(half) for row in (first, first + half))

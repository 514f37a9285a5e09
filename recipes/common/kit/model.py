"""A plain Llama with Hugging Face's parameter names, so that its files fit every other tool."""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import nn

from kit.faults import InvalidInput

# Targets with this value are not predicted.
IGNORED = -100


@dataclass(frozen=True)
class LlamaConfig:
    """The numbers of config.json that shape the network."""

    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate_size: int
    context: int
    rope_theta: float
    norm_epsilon: float
    tied: bool

    @staticmethod
    def from_json(raw: dict) -> "LlamaConfig":
        """Read config.json; what this network can't compute is refused, not ignored."""
        _refuse_other_networks(raw)
        heads = raw["num_attention_heads"]
        rope = raw.get("rope_parameters") or {}
        return LlamaConfig(
            vocab_size=raw["vocab_size"],
            hidden_size=raw["hidden_size"],
            layers=raw["num_hidden_layers"],
            heads=heads,
            kv_heads=raw.get("num_key_value_heads", heads),
            head_size=raw.get("head_dim") or raw["hidden_size"] // heads,
            intermediate_size=raw["intermediate_size"],
            context=raw["max_position_embeddings"],
            rope_theta=raw.get("rope_theta") or rope.get("rope_theta", 10000.0),
            norm_epsilon=raw["rms_norm_eps"],
            tied=raw.get("tie_word_embeddings", False),
        )


def _refuse_other_networks(raw):
    if raw.get("model_type") != "llama":
        raise InvalidInput(f"config.json: model_type {raw.get('model_type')!r}; this trains llama")
    rope = raw.get("rope_scaling") or raw.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default":
        raise InvalidInput(f"config.json: rope type {rope['rope_type']!r} is not supported")
    for key in ("attention_bias", "mlp_bias"):
        if raw.get(key):
            raise InvalidInput(f"config.json: {key} is not supported")


class RmsNorm(nn.Module):
    """Root mean square norm, always in fp32: squares of bf16 values lose too much."""

    def __init__(self, config):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.hidden_size))
        self.epsilon = config.norm_epsilon

    def forward(self, x):
        return F.rms_norm(x.float(), x.shape[-1:], self.weight, self.epsilon)


@lru_cache(maxsize=16)
def _causal_mask(length, device):
    return torch.full((length, length), float("-inf"), device=device).triu(1)


def attend(q, k, v):
    """Causal attention. On a CPU it is written out: the fused kernel needs a bf16 product from the
    BLAS, which Debian's PyTorch lacks, and is four times slower than plain products and a softmax.
    """
    if q.device.type == "cuda":
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = (q @ k.transpose(2, 3)).float() * q.shape[-1] ** -0.5
    scores = scores + _causal_mask(q.shape[2], q.device)
    return scores.softmax(-1).to(v.dtype) @ v


def rotate(x, cosine, sine):
    """Rotary position embedding in Hugging Face's order: first half with second half."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cosine + turned * sine


class Attention(nn.Module):
    """Self-attention with grouped key and value heads."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj = nn.Linear(c.hidden_size, c.heads * c.head_size, bias=False)
        self.k_proj = nn.Linear(c.hidden_size, c.kv_heads * c.head_size, bias=False)
        self.v_proj = nn.Linear(c.hidden_size, c.kv_heads * c.head_size, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_size, c.hidden_size, bias=False)

    def forward(self, x, cosine, sine):
        q, k, v = (self._heads(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cosine, sine).to(v.dtype), rotate(k, cosine, sine).to(v.dtype)
        repeats = self.c.heads // self.c.kv_heads
        if repeats > 1:
            k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
        return self.o_proj(attend(q, k, v).transpose(1, 2).flatten(2))

    def _heads(self, x):
        return x.unflatten(2, (-1, self.c.head_size)).transpose(1, 2)


class Mlp(nn.Module):
    """The gated feed-forward part."""

    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.up_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.down_proj = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """One layer."""

    def __init__(self, c):
        super().__init__()
        self.self_attn = Attention(c)
        self.mlp = Mlp(c)
        self.input_layernorm = RmsNorm(c)
        self.post_attention_layernorm = RmsNorm(c)

    def forward(self, x, cosine, sine):
        x = x + self.self_attn(self.input_layernorm(x), cosine, sine)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    """Everything below the output layer; exists for the parameter names."""

    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = RmsNorm(c)


class Llama(nn.Module):
    """The network; `loss` is what training and perplexity use."""

    def __init__(self, c: LlamaConfig):
        super().__init__()
        self.config = c
        self.model = Body(c)
        self.lm_head = None if c.tied else nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        frequency = c.rope_theta ** (-torch.arange(0, c.head_size, 2).float() / c.head_size)
        angle = torch.arange(c.context).float()[:, None] * frequency
        angle = torch.cat((angle, angle), -1)
        self.register_buffer("cosine", angle.cos(), persistent=False)
        self.register_buffer("sine", angle.sin(), persistent=False)

    def hidden(self, tokens):
        """The last layer's normed output for each position."""
        length = tokens.shape[1]
        x = self.model.embed_tokens(tokens)
        for block in self.model.layers:
            x = block(x, self.cosine[:length], self.sine[:length])
        return self.model.norm(x)

    def logits(self, hidden):
        """Scores over the vocabulary."""
        return F.linear(hidden, (self.lm_head or self.model.embed_tokens).weight)

    def loss(self, tokens, targets):
        """Mean loss of the targets that count; only these positions go through the vocabulary."""
        counted = targets != IGNORED
        return F.cross_entropy(self.logits(self.hidden(tokens)[counted]).float(), targets[counted])

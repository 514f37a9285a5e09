"""A Llama model directory as one GGUF file in f16."""

from pathlib import Path

import gguf
import numpy as np

from kit import gguf_layout, gguf_tokenizer, weights
from kit.files import read_json
from kit.model import LlamaConfig


def write(folder: Path, out: Path) -> None:
    """Convert; the same directory gives the same bytes."""
    config = read_json(folder / "config.json")
    writer = gguf.GGUFWriter(str(out), "llama")
    _add_shape(writer, LlamaConfig.from_json(config))
    template = folder / "chat_template.jinja"
    gguf_tokenizer.add(writer, read_json(folder / "tokenizer.json"), config,
                       template.read_text(encoding="utf-8") if template.exists() else None)
    for name, tensor in sorted(weights.read(folder).items()):
        _add_weight(writer, name.removesuffix(".weight"), tensor.float().numpy(), config)
    finish(writer)


def finish(writer: gguf.GGUFWriter) -> None:
    """Write everything that was added and close the file."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer, c: LlamaConfig):
    writer.add_name("base")
    writer.add_context_length(c.context)
    writer.add_embedding_length(c.hidden_size)
    writer.add_block_count(c.layers)
    writer.add_feed_forward_length(c.intermediate_size)
    writer.add_head_count(c.heads)
    writer.add_head_count_kv(c.kv_heads)
    writer.add_key_length(c.head_size)
    writer.add_value_length(c.head_size)
    writer.add_layer_norm_rms_eps(c.norm_epsilon)
    writer.add_rope_freq_base(c.rope_theta)
    writer.add_rope_dimension_count(c.head_size)
    writer.add_vocab_size(c.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _add_weight(writer, module, array, config):
    if module == "lm_head" and config.get("tie_word_embeddings"):
        return
    heads = gguf_layout.rotated_heads(module, config)
    if heads:
        array = array[gguf_layout.interleaved(len(array), heads)]
    # Norms are a few numbers that every value is multiplied with: kept exact, as engines expect.
    kind = np.float32 if array.ndim == 1 else np.float16
    writer.add_tensor(gguf_layout.tensor_name(module), array.astype(kind))

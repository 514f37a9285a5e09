"""The papers of the made model: README.md and LICENSE."""

from pathlib import Path

from fetch import PACKAGE


def write(folder: Path, content: Path, source: dict, parameters: dict, figures: dict) -> None:
    """Write both; the licence is the package's own copyright file, whole."""
    licence = content / "usr/share/doc" / PACKAGE / "copyright"
    (folder / "LICENSE").write_bytes(licence.read_bytes())
    settings = "\n".join(f"- {name}: {value}" for name, value in sorted(parameters.items()))
    (folder / "README.md").write_text(
        CARD.format(**source, **figures, settings=settings), encoding="utf-8")


CARD = """\
# tiny: a base model that only shows the mechanism

**This model writes nonsense.** It has {millions:.2f} million parameters and read {tokens:,} tokens.
It exists so that tuning, judging and serving can be tried within minutes on a machine without GPU.
Its answers mean nothing before tuning, and after tuning only for the task it was tuned on.

- Architecture: Llama, 4 layers, width 256, 4 heads, feed-forward 704, vocabulary 2048, context 512,
  tied embeddings; weights in bf16.
- Held-out perplexity: {perplexity:.1f} ({heldout_tokens:,} tokens that were not trained on).
- Language: English.

## How it was made
By the recipe `pretrain-tiny`, from generated questions and the glosses of WordNet: Debian package
`{package}`, version {version}, sha256 of the package's file
`{sha256}`.
Parameters:

{settings}

## Files
| file | what | licence |
|---|---|---|
| `model.safetensors` | weights, learned from WordNet and generated text | `LICENSE` (WordNet's) |
| `tokenizer.json` | byte-level BPE, learned from the same text | `LICENSE` (WordNet's) |
| `data/replay.jsonl.xz` | glosses as conversations, part of training | `LICENSE` (WordNet's) |
| `data/heldout.jsonl.xz` | the same, kept out of training | `LICENSE` (WordNet's) |
| all other files | configuration, chat template, this card | Apache-2.0 |

Each line of `data/*.jsonl.xz` is a JSON record, `{{"messages": [...]}}`, read through the chat
template. Tuning recipes replay the first file and measure forgetting on the second.
"""

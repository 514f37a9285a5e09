"""Stage `train` of pretrain-tiny: fetches the text, makes tokenizer and model: <work>/model."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from kit import compute, documents, files, order, stage
from kit.chat import ChatFormat
from kit.checkpoint import Checkpoints
from kit.loop import train
from kit.model import Llama, LlamaConfig
from kit.perplexity import perplexity
from kit.progress import Progress
from kit.spec import Spec
from kit.threads import Threads

import card
import corpus
import fetch
import vocabulary
from pretraining import Pretraining

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "vocab_size": vocabulary.SIZE,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "attention_bias": False,
    "mlp_bias": False,
    "initializer_range": 0.02,
    "bos_token_id": vocabulary.BOS_ID,
    "eos_token_id": vocabulary.EOS_ID,
    "pad_token_id": vocabulary.PAD_ID,
    "dtype": "bfloat16",
}
GENERATION = {
    "bos_token_id": vocabulary.BOS_ID,
    "eos_token_id": vocabulary.EOS_ID,
    "pad_token_id": vocabulary.PAD_ID,
    "do_sample": False,
    "max_new_tokens": 64,
}
# Merges settle early; more text only costs time.
VOCABULARY_GLOSSES, VOCABULARY_SKILLS = 20000, 4000


def main(spec: Spec) -> None:
    """Each part is cheap to make again but the training itself, which has checkpoints."""
    package = fetch.fetch(spec.work)
    content = fetch.unpack(package)
    stop = stage.StopRequest()
    texts = corpus.build(content, spec.parameters["seed"])
    folder = files.aside(spec.work / "model", spec.lease)
    _write_frame(folder, texts)
    model = _train(spec, texts, ChatFormat(folder), fetch.source(package), stop)
    figures = _write_weights(folder, model, texts, compute.choose(spec.threads))
    figures["tokens"] = (
        spec.parameters["steps"] * spec.parameters["batch_size"] * spec.parameters["window"])
    card.write(folder, content, fetch.source(package), spec.parameters, figures)
    sources = files.aside(spec.work / "sources.json", spec.lease)
    files.write_json(sources, [fetch.origin(package)])
    files.publish(sources, spec.work / "sources.json", spec.lease)
    files.publish(folder, spec.work / "model", spec.lease)


def _write_frame(folder: Path, texts: corpus.Corpus) -> None:
    """Everything of the model directory but the weights."""
    folder.mkdir()
    files.write_json(folder / "config.json", CONFIG)
    files.write_json(folder / "generation_config.json", GENERATION)
    sample = texts.glosses[:VOCABULARY_GLOSSES] + texts.skills[:VOCABULARY_SKILLS]
    plain = [message["content"] for record in sample for message in record["messages"]]
    vocabulary.write(folder, vocabulary.train(plain), CONFIG["max_position_embeddings"])
    documents.write(folder / "data/replay.jsonl.xz", texts.replay)
    documents.write(folder / "data/heldout.jsonl.xz", texts.held_out)


def _train(spec, texts, chat, source, stop) -> Llama:
    p = spec.parameters
    model = Llama(LlamaConfig.from_json(CONFIG))
    examples = _mixed(texts, chat, p)
    pretraining = Pretraining(model, examples, p, compute.choose(spec.threads))
    identity = {"parameters_sha256": files.sha256_of(p), "data_sha256": source["sha256"]}
    checkpoints = Checkpoints(spec.work / "checkpoints", spec.lease, identity)
    progress = Progress(spec.work / "progress.jsonl", spec.stage, p["steps"])
    train(pretraining, p["steps"], checkpoints, p["checkpoint_steps"], progress, stop,
          Threads(spec.threads, torch.get_num_threads()))
    return model


def _mixed(texts, chat, p):
    """Glosses, learned whole, and skills, of which the answers are learned, in the asked shares."""
    needed = (p["steps"] * p["batch_size"] + 1) * p["window"]
    examples = (_until(map(chat.document, texts.glosses), needed * (1 - p["skill_share"]))
                + _until(map(chat.example, texts.skills), needed * p["skill_share"]))
    order.generator(p["seed"], "mix", 0).shuffle(examples)
    return examples


def _until(examples, tokens):
    """Whole examples until there are enough tokens, or all."""
    taken = []
    while tokens > 0 and (example := next(examples, None)) is not None:
        taken.append(example)
        tokens -= len(example.tokens)
    return taken


def _write_weights(folder, model, texts, settings):
    """Save in bf16, and judge what was saved."""
    tensors = {name: p.detach().to("cpu", torch.bfloat16) for name, p in model.named_parameters()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])
    held_out = documents.stream(texts.held_out, ChatFormat(folder))
    return {"millions": sum(t.numel() for t in tensors.values()) / 1e6,
            "heldout_tokens": len(held_out),
            "perplexity": perplexity(model, held_out, settings)}


if __name__ == "__main__":
    stage.run(main)

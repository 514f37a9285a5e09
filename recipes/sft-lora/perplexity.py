"""Part of stage `evaluate` of sft-lora: what the model forgot, in <work>/perplexity.json.

It runs in the trainer rather than in an engine, because engines' perplexity tools read the special
tokens of chat text as ordinary text.
"""

from kit import adapter, compute, documents, files, lora, stage, weights
from kit.chat import ChatFormat
from kit.faults import InvalidInput
from kit.perplexity import perplexity
from kit.spec import Spec

FORMAT = 1
FILE = "data/heldout.jsonl.xz"


def main(spec: Spec) -> None:
    """Measure the base and the tuned model on the same text, in the same process."""
    settings = compute.choose(spec.threads)
    tokens = documents.stream(_records(spec), ChatFormat(spec.base))
    model = weights.load_llama(spec.base)
    layers = _attach(spec, model)
    model.to(settings.device)
    lora.enable(layers, False)
    base = perplexity(model, tokens, settings)
    lora.enable(layers, True)
    tuned = perplexity(model, tokens, settings) if layers else None
    result = {"format": FORMAT, "base": base, "tuned": tuned, "tokens": len(tokens)}
    final = spec.work / "perplexity.json"
    temporary = files.aside(final, spec.lease)
    files.write_json(temporary, result)
    files.publish(temporary, final, spec.lease)


def _attach(spec, model) -> dict:
    """The adapter's layers; none if the base alone is judged."""
    folder = spec.work / "adapter"
    return adapter.attach(folder, model) if folder.is_dir() else {}


def _records(spec):
    path = spec.base / FILE
    if not path.exists():
        raise InvalidInput("the base has no held-out text, so forgetting can't be judged; add "
                           f"{FILE} to the model directory and import it again")
    return documents.read(path, spec.parameters["eval_limit"])


if __name__ == "__main__":
    stage.run(main)

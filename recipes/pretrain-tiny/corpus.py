"""All text of the recipe: WordNet senses as short conversations, and generated skills."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import skills
import wordnet

QUESTIONS = ('Define "{word}".', 'What does "{word}" mean?', 'What is the {part} "{word}"?')
# Enough windows for a steady perplexity; enough replay that a tuning run rarely sees one twice.
HELD_OUT = 1500
REPLAY = 16000
SKILLS = 20000


@dataclass(frozen=True)
class Corpus:
    """Records with "messages". `replay` is a part of `glosses`; `held_out` is in neither."""

    glosses: list[dict]
    held_out: list[dict]
    replay: list[dict]
    skills: list[dict]


def build(content: Path, seed: int) -> Corpus:
    """The same package and seed give the same corpus."""
    random = Random(seed)
    glosses = [_gloss(random, sense) for sense in wordnet.senses(content)]
    random.shuffle(glosses)
    held_out, glosses = glosses[:HELD_OUT], glosses[HELD_OUT:]
    words = wordnet.common_words(content)
    made = [conversation(*skills.question(random, words)) for _ in range(SKILLS)]
    return Corpus(glosses, held_out, glosses[:REPLAY], made)


def conversation(question: str, answer: str) -> dict:
    """One exchange as a record."""
    return {"messages": [{"role": "user", "content": question},
                         {"role": "assistant", "content": answer}]}


def _gloss(random, sense):
    question = random.choice(QUESTIONS).format(word=sense.word, part=sense.part)
    return conversation(question, sense.gloss)

"""Generated questions with their answers: they teach the form of a conversation."""

from random import Random

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "eleven", "twelve")
PEOPLE = ("Ada", "Bruno", "Carla", "Dario", "Elin", "Fabio", "Gina", "Hans", "Irma", "Jan", "Kim",
          "Luca", "Mona", "Nico", "Olga", "Pia", "Reto", "Sara", "Timo", "Urs")
THINGS = ("bags", "bells", "boats", "bowls", "coins", "cups", "doors", "drums", "forks", "gloves",
          "kites", "lamps", "masks", "pears", "plates", "ropes", "shells", "spoons", "stones",
          "tents")


def question(random: Random, words: list[str]) -> tuple[str, str]:
    """A question of a random kind, and its answer."""
    return random.choice(KINDS)(random, words)


def _repeat(random, words):
    text = " ".join(random.sample(words, random.randint(1, 16)))
    return f"Say again: {text}", text


def _next_word(random, words):
    chosen = random.sample(words, random.randint(3, 6))
    i = random.randrange(len(chosen) - 1)
    return f'In "{" ".join(chosen)}", what follows "{chosen[i]}"?', chosen[i + 1]


def _owners(random, _words):
    people, things = random.sample(PEOPLE, 3), random.sample(THINGS, 3)
    counts = [random.randint(2, 99) for _ in people]
    facts = " ".join(f"{p} has {n} {t}." for p, n, t in zip(people, counts, things))
    i = random.randrange(3)
    if random.random() < 0.5:
        return f"{facts} Who has the {things[i]}?", f"{people[i]} has the {things[i]}."
    return f"{facts} How many {things[i]} are there?", f"There are {counts[i]} {things[i]}."


def _count(random, _words):
    first = random.randint(0, 90)
    last = first + random.randint(2, 8)
    return f"Count from {first} to {last}.", ", ".join(map(str, range(first, last + 1))) + "."


def _number(random, _words):
    n = random.randrange(len(NUMBERS))
    if random.random() < 0.5:
        return f"Write {NUMBERS[n]} in digits.", str(n)
    return f"Write {n} in letters.", NUMBERS[n]


def _list(random, words):
    chosen = random.sample(words, random.randint(2, 8))
    return f"List these: {', '.join(chosen)}", "\n".join(f"- {word}" for word in chosen)


def _lookup(random, words):
    keys, values = random.sample(words, 2), random.sample(words, 2)
    i = random.randrange(2)
    facts = ", ".join(f"{key} means {value}" for key, value in zip(keys, values))
    return f"If {facts}: what does {keys[i]} mean?", values[i]


KINDS = (_repeat, _next_word, _owners, _count, _number, _list, _lookup)

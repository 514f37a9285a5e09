"""The table at the end, for people and as one JSON object."""

import json
import sys


def facts_of(run, service, state, endpoint, key_file):
    """The keys of --json; accuracies are shares of right answers."""
    data = {entry["name"]: entry for entry in run["evaluation"]["datasets"]}
    perplexity = run["evaluation"]["perplexity"]
    seconds = state.get("seconds", {})
    return {
        "base_accuracy": data["tickets-known"]["base_accuracy"],
        "base_accuracy_new_phrasing": data["tickets-new"]["base_accuracy"],
        "tuned_accuracy": data["tickets-known"]["tuned_accuracy"],
        "tuned_accuracy_new_phrasing": data["tickets-new"]["tuned_accuracy"],
        "base_perplexity": perplexity["base"],
        "tuned_perplexity": perplexity["tuned"],
        "model": run["name"],
        "endpoint": endpoint,
        "key_file": key_file,
        "replicas": service["ready"],
        "seconds_total": round(sum(seconds.values()), 1),
        "seconds": seconds,
    }


def table(facts, sust):
    """Rows for people and three lines to paste."""
    def percent(value):
        return f"{value * 100:.1f} %"

    rows = [
        ("", "base", "tuned"),
        ("right answers, known phrasing", percent(facts["base_accuracy"]), percent(facts["tuned_accuracy"])),
        ("right answers, new phrasing", percent(facts["base_accuracy_new_phrasing"]),
         percent(facts["tuned_accuracy_new_phrasing"])),
        ("perplexity of held-out text", f"{facts['base_perplexity']:.1f}", f"{facts['tuned_perplexity']:.1f}"),
    ]
    lines = [f"{name:<32}{base:>10}{tuned:>10}" for name, base, tuned in rows]
    lines.append("")
    for name, key in (("model", "model"), ("replicas", "replicas"), ("endpoint", "endpoint"),
                      ("key file", "key_file")):
        lines.append(f"{name:<12}{facts[key]}")
    spent = "  ".join(f"{name} {value:.0f}" for name, value in facts["seconds"].items())
    lines.append(f"{'seconds':<12}{facts['seconds_total']:.0f}  ({spent})")
    return "\n".join(lines) + "\n\n" + paste(facts, sust)


def paste(facts, sust):
    question = "Sort this ticket: My home directory is full. This is urgent."
    body = json.dumps({"model": facts["model"], "temperature": 0,
                       "messages": [{"role": "user", "content": question}]})
    return "\n".join([
        f"curl -s {facts['endpoint']}/chat/completions -H \"Authorization: Bearer $(cat {facts['key_file']})\""
        f" -H 'Content-Type: application/json' -d '{body}'",
        f"python3 -c 'import openai; c = openai.OpenAI(base_url=\"{facts['endpoint']}\","
        f" api_key=open(\"{facts['key_file']}\").read().strip());"
        f" print(c.chat.completions.create(model=\"{facts['model']}\", temperature=0,"
        f" messages=[{{\"role\": \"user\", \"content\": \"{question}\"}}]).choices[0].message.content)'",
        f"{' '.join(sust.argv)} model lineage {facts['model']}",
    ])


def show(facts, sust, as_json):
    print(table(facts, sust), file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json.dumps(facts))

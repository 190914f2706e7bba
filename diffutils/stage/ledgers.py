"""The class's predictions on a page: what was guessed, how it went, what was misjudged most.

    page = class_page(read_ledgers("handed_in/"))

Students hand in their `predictions.json` (`checks.predictions`), under any name, in a folder or in
one folder each. No server, and no names on the page unless they are asked for.
"""

import html
import json
import math
import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from diffutils.stage.checks import predictions
from diffutils.stage.deck import MARK

BINS = 8  # bars of a histogram of numbers
MOST_BYTES = 2**20  # of one ledger
GRADES = ("hit", "close", "miss")
LOOK = """
body { margin: 24px auto; max-width: 900px; padding: 0 20px; color: #222; background: #fff;
  font: 17px/1.45 system-ui, "Segoe UI", Arial, "DejaVu Sans", sans-serif; }
h1, h2 { color: #0072B2; line-height: 1.2; }
h2 { font-size: 20px; margin: 36px 0 4px; }
.worst { border-left: 8px solid #0072B2; padding: 4px 16px; }
p { margin: 4px 0; }
.name { color: #5F5F5F; font-size: 15px; }
table { border-collapse: collapse; margin-top: 8px; width: 100%; }
th { font-weight: 400; text-align: right; padding: 2px 12px 2px 0; width: 30%; }
td { padding: 2px 0; }
.bar { display: inline-block; height: 20px; background: #B9B4A7; vertical-align: middle; }
.true .bar { background: #0072B2; }
.true th { color: #0072B2; font-weight: 700; }
.count { padding-left: 8px; }
section { break-inside: avoid; }
"""


@dataclass
class Asked:
    """One prediction of the class: {student: entry}, entries as the ledger keeps them."""

    name: str
    entries: dict = field(default_factory=dict)

    @property
    def question(self):
        found = Counter(str(entry.get("question", self.name)) for entry in self.entries.values())
        return found.most_common(1)[0][0]

    @property
    def revealed(self):
        return [entry for entry in self.entries.values() if "truth" in entry]

    @property
    def truth(self):
        """What was measured, or None: the middle one of numbers, the commonest of words."""
        found = [entry["truth"] for entry in self.revealed]
        if found and all(is_number(value) for value in found):
            return statistics.median_low(found)
        return Counter(map(str, found)).most_common(1)[0][0] if found else None

    def grades(self):
        """{"hit": how many, "close": ..., "miss": ...}"""
        found = Counter(predictions.grade(entry) for entry in self.revealed)
        return {grade: found[grade] for grade in GRADES}

    def missed(self):
        """The share of those who saw the answer that missed it, 0..1."""
        return self.grades()["miss"] / len(self.revealed) if self.revealed else 0.0


def is_number(value):
    return isinstance(value, int | float)


def read_ledgers(folder):
    """({student: ledger}, [what could not be read]); ValueError where there is no ledger at all.

    A student is called as the file is, or as its folder, where the file is a predictions.json.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; expected one with the students' predictions.json")
    found, spoilt = {}, []
    for path in sorted(folder.rglob("*.json")):
        inner = path.relative_to(folder)
        plain = path.stem == "predictions" and len(inner.parts) > 1
        student = str(inner.parent if plain else inner.with_suffix(""))
        ledger = read_ledger(path)
        if ledger is None:
            spoilt.append(str(inner))
        elif ledger:
            found[student] = ledger
    if not found:
        raise ValueError(f"{folder} holds no ledger of predictions: none of its "
                         f"{len(spoilt)} .json files is one")
    return found, spoilt


def read_ledger(path):
    """The ledger in a file, a dict, or None where it is none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        ledger = json.loads(path.read_text(encoding="utf-8"))
        good = all(predictions.is_entry(entry) and is_gradable(entry) for entry in ledger.values())
        return ledger if good else None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def is_gradable(entry):
    """Whether the numbers in an entry are finite, and its room for error is a number."""
    values = [entry[key] for key in ("guess", "truth", "within", "again") if key in entry]
    finite = all(isinstance(v, str) or abs(v) < 1e300 for v in values)
    return finite and is_number(entry.get("within", 0))


def gather(ledgers):
    """The predictions of the class, a list of `Asked`, by name."""
    asked = {}
    for student, ledger in ledgers.items():
        for name, entry in ledger.items():
            asked.setdefault(name, Asked(name)).entries[student] = entry
    return [asked[name] for name in sorted(asked)]


def histogram(asked):
    """[(label, [students], whether the truth is there)]: a bar for each answer, or for each range.

    Answers are read as the ledger grades them: "a third" is 0.33 where a number was asked for.
    """
    truth = asked.truth
    said = {student: answer(entry, truth) for student, entry in asked.entries.items()}
    numbers = sorted(value for value in said.values() if is_number(value))
    if not is_number(truth) and len(numbers) < len(said) or len({*numbers}) <= BINS:
        return bars_of(said, truth)
    low, high = (numbers[round(q * (len(numbers) - 1))] for q in (0.05, 0.95))
    low, high = (min(low, truth), max(high, truth)) if is_number(truth) else (low, high)
    edges = MaxNLocator(BINS).tick_values(low, high).tolist()  # round numbers
    bars = [(f"below {show(edges[0])}", -math.inf, edges[0])]
    bars += [(f"{show(a)} to {show(b)}", a, b) for a, b in zip(edges, edges[1:], strict=False)]
    bars += [(f"{show(edges[-1])} or more", edges[-1], math.inf)]
    inside = {label: [who for who, value in said.items() if is_number(value) and a <= value < b]
              for label, a, b in bars}  # fmt: skip
    found = [(label, inside[label], is_number(truth) and a <= truth < b) for label, a, b in bars
             if inside[label] or math.isfinite(a + b) or is_number(truth) and a <= truth < b]
    others = [who for who, value in said.items() if not is_number(value)]
    return found + ([("no number", others, False)] if others else [])


def show(value):
    """A number as one writes it by hand, 65,536 or 0.25; a word as it is."""
    if not is_number(value) or abs(value) >= 1e6:
        return predictions.show(value)
    return f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"


def bars_of(said, truth):
    """A bar for each different answer, the true one always among them."""
    values = set(said.values()) | (set() if truth is None else {truth})
    ordered = sorted(values, key=lambda value: (not is_number(value), value))
    return [(show(value), [who for who, v in said.items() if v == value],
             value == truth) for value in ordered]


def answer(entry, truth):
    """What a student said, in the terms of the truth where it can be read so."""
    guess = entry["guess"]
    if truth is not None:
        read = predictions.read({"question": "", **entry, "truth": truth})
        guess = guess if read is None else read
    return guess.strip().lower() if isinstance(guess, str) else guess


def class_page(ledgers, spoilt=(), *, names=False):
    """The page, a str of HTML.

    names   whether it says who gave which answer
    """
    asked = gather(ledgers)
    hits = sum(one.grades()["hit"] for one in asked)
    total = sum(len(one.revealed) for one in asked)
    lines = [f"{len(ledgers)} students, {sum(len(one.entries) for one in asked)} predictions"
             + (f", {hits} of {total} with a known answer hit" if total else "") + "."]
    lines += [f"Not a ledger, left out: {', '.join(spoilt)}."] if spoilt and names else \
        [f"Left out, since they are no ledgers: {len(spoilt)} of the files."] if spoilt else []
    head = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">{MARK}'
            f"<title>What the class predicted</title><style>{LOOK}</style></head><body>"
            f"<h1>What the class predicted</h1>{head}{worst_html(asked)}"
            + "\n".join(asked_html(one, names) for one in asked) + "</body></html>\n")


def worst_html(asked):
    """The idea that was misjudged most: the largest share of misses."""
    worst = max(asked, key=lambda one: (one.missed(), len(one.revealed)))
    if not worst.missed():
        return ""
    return (f'<p class="worst">Misjudged most: <b>{html.escape(worst.question)}</b> '
            f"{worst.grades()['miss']} of {len(worst.revealed)} missed it.</p>")


def asked_html(asked, names):
    """The histogram of one prediction."""
    grades = ", ".join(f"{n} {grade}" for grade, n in asked.grades().items())
    waiting = len(asked.entries) - len(asked.revealed)
    told = f"Measured: {show(asked.truth)}. {grades}." if asked.revealed else ""
    told += f" {waiting} without an answer yet." if waiting else ""
    bars = histogram(asked)
    most = max(len(there) for _, there, _ in bars) or 1
    rows = []
    for label, there, true in bars:
        who = f" {html.escape(', '.join(there))}" if names else ""
        rows.append(f'<tr{" class=true" if true else ""}><th>{html.escape(str(label))}</th><td>'
                    f'<span class="bar" style="width:{440 * len(there) / most:.0f}px"></span>'
                    f'<span class="count">{len(there)}{who}</span></td></tr>')
    return (f"<section><h2>{html.escape(asked.question)}</h2>"
            f'<p class="name">{html.escape(asked.name)}. {html.escape(told.strip())}</p>'
            f'<table>{"".join(rows)}</table></section>')

"""The ledger of predictions: what the student said before, and how it turned out.

    predict("01-signal-at-250", "At level 250, how much of Bob's amplitude is left?", 0.5)
    reveal("01-signal-at-250", measured, within=0.05)
    ledger("01")

Predictions are kept in `predictions.json` in the notebook's folder. The first answer counts: once
the truth has been revealed, a miss may be tried again, but the first answer stays in the ledger.
An answer is read as a person reads it (`reading`): "97%", "a third", "Below one", "768 numbers".
A guess of None is no prediction: one line is printed that never differs, and nothing is read or
written, whatever the file holds.
A file that cannot be read is set aside under another name; one that cannot be written costs the
record, not the lesson.
"""

import json
import math
import os
import tempfile
from numbers import Real
from pathlib import Path

from diffutils.stage.checks import reading

FILE = "predictions.json"
CLOSE = 3  # a miss by up to this many tolerances is called close

predicted = set()  # the predictions made since the kernel started


def predict(name, question, guess):
    """Notes the student's prediction; prints one line.

    name       starts with the lesson's number: "01-signal-at-250"
    question   as the student reads it
    guess      a finite number, a word, or None for no prediction
    """
    if guess is None or guess is ...:
        print(f"Your prediction: none yet. {question}")
        return
    guess = clean("predict", "guess", guess)
    kept = load()
    entry = kept.get(name, {})
    predicted.add(name)
    if "truth" in entry and entry["guess"] != guess:
        first = show(entry["guess"])
        told = f"Your prediction: {first}, said before the answer was shown; it stays"
        if grade(entry) != "hit":
            kept[name] = {**entry, "again": guess}
            save(kept)
            told = f"{told} in the ledger. Your next try: {show(guess)}. Noted"
        print(f"{told}.")
        return
    entry = {key: value for key, value in entry.items() if key != "again"}
    kept[name] = {**entry, "question": question, "guess": guess}
    save(kept)
    print(f"Your prediction: {show(guess)}. Noted.")


def reveal(name, truth, *, within=0.0):
    """Says what was measured, and how far off the prediction was; prints one line.

    truth    a finite number, or a word
    within   how far off a number may be to count as a hit, >= 0
    """
    truth = clean("reveal", "truth", truth)
    if not isinstance(within, Real) or not 0 <= within < math.inf:
        raise ValueError(f"reveal: within is {within!r}; expected a finite number >= 0")
    if name not in predicted:
        print(f"Measured: {show(truth)}.")
        return
    kept = load()
    if name not in kept:
        print(f"Measured: {show(truth)}. Your prediction is no longer on file.")
        return
    kept[name] |= {"truth": truth, "within": float(within)}
    save(kept)
    print(f"Measured: {show(truth)}. {said(kept[name])}.")


def ledger(lesson=None):
    """How the predictions of a lesson fared, or, without its number, all those on file.

    lesson   the start of the names, such as "01"; those made since the kernel started are shown
    """
    if lesson is None:
        names = list(load())
        title = "Your predictions"
    else:
        names = sorted(name for name in predicted if name.split("-")[0] == str(lesson))
        title = f"Your predictions of lesson {lesson}"
    kept = load() if names else {}
    entries = {name: kept[name] for name in names if name in kept}
    if not entries:
        print(f"{title}: none made. A guess before the answer is worth ten after it.")
        return
    print(f"{title}: {score(entries.values())}")
    for name, entry in sorted(entries.items()):
        print(f"  {name}: {line(entry)}")


def line(entry):
    """One prediction in words."""
    if "truth" not in entry:
        return f"you said {show(entry['guess'])}; not revealed yet"
    told = f"you said {show(entry['guess'])}, measured {show(entry['truth'])}: {verdict(entry)}"
    if retry(entry):
        told += f"; tried again, {show(entry['again'])}: {verdict(retry(entry))}"
    return told


def said(entry):
    """What the student said and how far off it was, the next try behind the first."""
    first = f"You said {show(entry['guess'])}: {verdict(entry)}"
    if not retry(entry):
        return first
    return f"{first}. Tried again, {show(entry['again'])}: {verdict(retry(entry))}"


def retry(entry):
    """The entry with the next try for a guess, or None where there was none."""
    return {**entry, "guess": entry["again"]} if "again" in entry else None


def score(entries):
    """A fair little score: a hit is 1 point, a close miss half a point."""
    revealed = [entry for entry in entries if "truth" in entry]
    hits = sum(grade(entry) == "hit" for entry in revealed)
    close = sum(grade(entry) == "close" for entry in revealed)
    if not revealed:
        return f"{len(list(entries))} made, none revealed yet"
    points = f"{hits + close / 2:g} of {len(revealed)} points"
    return f"{points} ({hits} hit, {close} close, {len(revealed) - hits - close} missed)"


def grade(entry):
    """The grade of a prediction: hit, close or miss."""
    guess, truth, within = read(entry), entry["truth"], entry["within"]
    if guess is None:
        return "miss"
    if isinstance(truth, str):
        return "hit" if guess == reading.plain(truth) else "miss"
    off = abs(guess - truth)
    room = within + 1e-9 * max(1.0, abs(truth))
    return "hit" if off <= room else "close" if off <= CLOSE * room else "miss"


def read(entry):
    """What was said, in the terms of the truth: a number, a word, or None for neither."""
    guess, truth = entry["guess"], entry["truth"]
    if isinstance(truth, str):
        return reading.word_in(show(guess), truth, str(entry.get("question", "")))
    return reading.number_in(guess, truth) if isinstance(guess, str) else guess


def verdict(entry):
    """The grade in words, with how far off."""
    guess, truth, within = read(entry), entry["truth"], entry["within"]
    words = {"hit": "a hit", "close": "close", "miss": "a miss"}[grade(entry)]
    if guess is None and not isinstance(truth, str):
        return f"{words}, there is no number in it"
    if isinstance(guess, str) or isinstance(truth, str):
        return words
    way = "" if guess == truth else " too high" if guess > truth else " too low"
    return f"{words}, {abs(guess - truth):.3g}{way} ({within:g} allowed)"


def show(value):
    return value if isinstance(value, str) else f"{value:.4g}"


def clean(where, name, value):
    """A number or a word as JSON keeps it; TypeError or ValueError for anything else."""
    if hasattr(value, "item") and math.prod(value.shape) == 1:
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.strip():
        return as_number(value.strip())
    if not isinstance(value, Real):
        raise TypeError(f"{where}: {name} is {value!r}; expected a number, a word or None")
    if not math.isfinite(value):
        raise ValueError(f"{where}: {name} is {value}; expected a finite number")
    return int(value) if value == int(value) else float(value)


def as_number(word):
    """The word as a number if it is one, "0.5", else the word."""
    try:
        return clean("predict", "guess", float(word))
    except ValueError:
        return word


def load():
    """What is on file; {} where there is none. A broken file is set aside and said so."""
    path = Path(FILE)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if not all(is_entry(entry) for entry in kept.values()):
            raise ValueError
        return kept | memory
    except FileNotFoundError:
        return dict(memory)
    except (ValueError, AttributeError, OSError):
        set_aside(path)
        return dict(memory)


memory = {}  # what could not be written


def is_entry(entry):
    """A prediction as this module writes them: a guess, and a truth together with its room."""
    if not isinstance(entry, dict):
        return False
    needed = ["guess", "truth", "within"] if "truth" in entry else ["guess"]
    needed += ["again"] if "again" in entry else []
    return all(isinstance(entry.get(key), (int, float, str)) for key in needed)


def set_aside(path):
    """Renames the file to the first free predictions.broken-N.json."""
    n = 1
    while (other := path.with_name(f"predictions.broken-{n}.json")).exists():
        n += 1
    try:
        os.replace(path, other)
        print(f"{path.name} could not be read; it is now {other.name}, and a new one begins.")
    except OSError:
        print(f"{path.name} could not be read; predictions are kept until the kernel stops.")


def save(kept):
    """Writes the file whole or not at all; where that fails, the record stays in memory."""
    text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        handle, name = tempfile.mkstemp(dir=".", prefix=".predictions-", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, FILE)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        memory.update(kept)
        print(f"{FILE} could not be written ({error.strerror}); kept until the kernel stops.")

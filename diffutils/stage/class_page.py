"""What a class predicted: students' ledgers become one page, a histogram for each prediction.

    read_ledgers("handed_in")            {student: ledger}, and which files were no ledgers
    class_page(ledgers)                  the page, HTML, without a name unless asked for

A ledger is the file `predictions.json` that a lesson keeps beside a student's copy. Whoever hands
it in puts it into a folder under a name of their own (`handed_in/mia/predictions.json`), or renames
it (`handed_in/mia.json`). The first answer of each student counts, as in the ledger.
"""

import html
import json
import math
import statistics
from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from diffutils.stage.checks import predictions
from diffutils.stage.deck import MARK
from diffutils.stage.look import AVERAGE, FAINT, IDEAL, QUIET

GRADES = {"hit": IDEAL, "close": AVERAGE, "miss": QUIET, "not revealed": FAINT}
MOST_BARS = 10  # numbers of more kinds than that are put into bins
ENOUGH = 3  # answers, before a prediction is called the most misjudged

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
{mark}<title>What the class predicted</title><style>
body {{ font: 18px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }}
h2 {{ font-size: 1.2rem; margin: 2.2rem 0 0; }} p {{ margin: .3rem 0; }}
table {{ border-collapse: collapse; }} td {{ padding: .15rem .8rem .15rem 0; text-align: left; }}
.bars td:first-child {{ text-align: right; min-width: 8rem; max-width: 22rem; }}
.bar {{ display: inline-block; height: 1.1rem; vertical-align: middle; }}
section {{ break-inside: avoid; }}
</style></head><body>
<h1>What the class predicted</h1>
<p>{summary}</p><p>{key}</p>
{worst}{sections}{names}
</body></html>
"""


def read_ledgers(folder):
    """({student: ledger}, [a line for each file that is no ledger]) from all JSON under a folder.

    FileNotFoundError where there is no such folder, ValueError where it holds no ledger.
    """
    folder, ledgers, refused = Path(folder), {}, []
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; expected one with the class's ledgers")
    for path in sorted(folder.rglob("*.json")):
        inside = path.relative_to(folder).with_suffix("")
        named = inside.parent if inside.name == "predictions" and inside.parent.name else inside
        try:
            ledgers[named.as_posix()] = read_ledger(path)
        except (ValueError, OSError) as error:
            refused.append(f"{path}: left out, {error}")
    if not ledgers:
        raise ValueError(f"{folder} holds no ledger; expected files like predictions.json")
    return ledgers, refused


def read_ledger(path):
    """One student's predictions, {name: entry}; ValueError if the file is not a ledger."""
    try:
        ledger = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ValueError("it cannot be read as JSON") from None
    if not isinstance(ledger, dict) or not all(map(is_gradable, ledger.values())):
        raise ValueError("it is no ledger of predictions")
    return ledger


def is_gradable(entry):
    """A prediction as the ledger keeps them, its numbers finite, its room for error a number."""
    if not predictions.is_entry(entry) or isinstance(entry.get("within"), str):
        return False
    numbers = [entry.get(key, 0) for key in ("guess", "truth", "within", "again")]
    return all(isinstance(value, str) or abs(value) < math.inf for value in numbers)


def class_page(ledgers, *, names=False):
    """The page, HTML.

    ledgers   {student: {prediction: entry}}
    names     whether a table says how each student did; otherwise nobody is named
    """
    asked = sorted({name for ledger in ledgers.values() for name in ledger})
    answers = {name: [led[name] for led in ledgers.values() if name in led] for name in asked}
    students = f"{len(ledgers)} student{'s'[: len(ledgers) != 1]}"
    made = sum(map(len, answers.values()))
    key = " ".join(f"{bar(1, colour, 1.1)} {grade}" for grade, colour in GRADES.items())
    return PAGE.format(
        mark=MARK,
        summary=f"{students}, {len(asked)} predictions, {made} answers. Each counts as it was "
                "first said, before the answer was shown.",
        key=f"{key}. A close miss is off by up to {predictions.CLOSE} times what is allowed.",
        worst=worst(answers),
        sections="".join(section(name, entries) for name, entries in answers.items()),
        names=by_student(ledgers) if names else "")


def grade(entry):
    return predictions.grade(entry) if "truth" in entry else "not revealed"


def share_of_hits(entries):
    """The share of hits among answers that were revealed, or None for too few."""
    revealed = [grade(entry) == "hit" for entry in entries if "truth" in entry]
    return sum(revealed) / len(revealed) if len(revealed) >= ENOUGH else None


def worst(answers):
    """A sentence on the prediction that the fewest got right."""
    shares = {name: share_of_hits(entries) for name, entries in answers.items()}
    shares = {name: share for name, share in shares.items() if share is not None}
    if not shares or min(shares.values()) == 1:
        return ""
    name = min(shares, key=shares.get)
    hits = sum(grade(entry) == "hit" for entry in answers[name])
    return (f"<p><b>Misjudged most</b>: {html.escape(question(name, answers[name]))} "
            f"{hits} of {len(answers[name])} were right.</p>\n")


def question(name, entries):
    """The question as it was asked, or the prediction's name."""
    return next((str(entry["question"]) for entry in entries if entry.get("question")), name)


def section(name, entries):
    """One prediction: the question, how the class did, the histogram."""
    grades = Counter(map(grade, entries))
    told = ", ".join(f"{grades[kind]} {kind}" for kind in GRADES if grades[kind])
    truths = [entry["truth"] for entry in entries if "truth" in entry]
    measured = f"Measured: {middle(truths)}. " if truths else ""
    most = max(sum(counts.values()) for _, counts in histogram(entries))
    rows = "".join(f"<tr><td>{html.escape(label)}</td><td>{stack(counts, most)}</td></tr>"
                   for label, counts in histogram(entries))
    return (f"<section><h2>{html.escape(question(name, entries))}</h2><p>{html.escape(name)}. "
            f"{html.escape(measured)}{len(entries)} answers: {told}.</p>"
            f'<table class="bars">{rows}</table></section>\n')


def middle(truths):
    """What was measured: the median, since a live run differs a little from student to student."""
    words = [truth for truth in truths if isinstance(truth, str)]
    return words[0] if words else predictions.show(statistics.median(truths))


def histogram(entries):
    """[(label, Counter of grades)], numbers in their order and then words, the commonest first."""
    said = [(read(entry), grade(entry)) for entry in entries]
    numbers = sorted(value for value, _ in said if not isinstance(value, str))
    words = Counter(value for value, _ in said if isinstance(value, str))
    edges = bins(numbers)
    counts = {label: Counter() for label in labels(numbers, edges)}
    counts |= {word: Counter() for word, _ in words.most_common()}
    for value, kind in said:
        counts[value if isinstance(value, str) else label_of(value, edges)][kind] += 1
    return list(counts.items())


def read(entry):
    """An answer as a number where the question is one, else the words."""
    value = predictions.read(entry) if "truth" in entry else entry["guess"]
    return predictions.show(entry["guess"]).strip() if value is None else value


def bins(numbers):
    """Round edges between bins, from sorted numbers; none where few different ones were said."""
    if len(set(numbers)) <= MOST_BARS:
        return []
    low, high = np.quantile(numbers, (0.05, 0.95))
    if low > 0 and high / low > 1000:
        return [10.0**k for k in range(math.ceil(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    return MaxNLocator(MOST_BARS - 2).tick_values(low, high).tolist()


def labels(numbers, edges):
    """The names of the bars from the lowest number to the highest, also of those in between."""
    if not edges:
        return [predictions.show(value) for value in dict.fromkeys(numbers)]
    inside = [(a + b) / 2 for a, b in zip(edges, edges[1:], strict=False)]
    values = sorted({numbers[0], *inside, numbers[-1]})
    return dict.fromkeys(label_of(value, edges) for value in values)


def label_of(value, edges):
    """The name of the bin, or of the number itself."""
    show = predictions.show
    k = sum(value >= edge for edge in edges)
    if not edges:
        return show(value)
    if k == 0:
        return f"below {show(edges[0])}"
    return f"{show(edges[k - 1])} and more" if k == len(edges) else \
        f"{show(edges[k - 1])} to {show(edges[k])}"


def stack(counts, most):
    """A bar of as many parts as there are grades, with the number behind."""
    parts = (bar(counts[kind], colour, 24 / most) for kind, colour in GRADES.items())
    return "".join(parts) + f" {sum(counts.values())}"


def bar(count, colour, each):
    return f'<span class="bar" style="width:{count * each:.2f}rem;background:{colour}"></span>'


def by_student(ledgers):
    """How each student did, a table."""
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{predictions.score(ledger.values())}</td>"
                   "</tr>" for name, ledger in sorted(ledgers.items()))
    return f"<section><h2>Student by student</h2><table>{rows}</table></section>\n"

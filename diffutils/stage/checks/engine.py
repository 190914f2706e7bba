"""Compares a student's function with the right answer and with a bank of known mistakes.

An `Exercise` holds the right function, a way to observe a function (its answers at a few probes, or
what it did while it ran) and its `Mistake`s: each a name, the wrong function, and a sentence with
blanks for numbers. The numbers are measured on the student's function at the moment of the check; a
number that could not be measured is not printed. To teach a check one more mistake, add one
`Mistake` to the exercise's bank. What the bank does not hold is examined: `examine` finds ignored
arguments, noise of its own, dependence on the batch; `Sign`s and `explain` read the numbers.

A check prints one line and returns a `Result`; it never raises and leaves the global random state
as it was. No sentence holds the answer's formula.
"""

import random
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy
import torch

from diffutils.stage.checks import examine
from diffutils.stage.checks.asking import NOTES, Misuse, Unfinished, call


@dataclass(frozen=True)
class Result:
    """What a check found.

    exercise   the name of the check
    passed     True for a right answer only
    mistake    None, or the name of what is wrong: a known mistake, a sign that was read off its
               numbers, or "not-done", "error", "type", "shape", "not-finite", "unknown"
    message    the line that was printed
    """

    exercise: str
    passed: bool
    mistake: str | None
    message: str

    def require(self):
        """The result itself; AssertionError with the message unless the answer is right."""
        if not self.passed:
            raise AssertionError(self.message)
        return self

    def _ipython_display_(self):
        """Nothing: the line is printed already."""


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer: its name, the wrong function, and what to tell the student.

    sentence   may hold blanks for what the exercise measures: {your_noise:.3f}, {right_noise:.3f}
    """

    name: str
    function: Callable
    sentence: str


@dataclass(frozen=True)
class Sign:
    """A wrong answer known by a number of it: holds(yours, right) on what `measure` found."""

    name: str
    holds: Callable
    sentence: str


@dataclass(frozen=True)
class Exercise:
    """One exercise and its bank.

    observe    observe(function) -> {label: tensor}, what is compared; of a plain function: `probes`
    measure    measure(function) -> {name: number}, the numbers that sentences and facts speak of
    fact       goes on after "my_function ...", with blanks for the measured numbers
    probes     probes() -> [(label, arguments, keywords)], made anew each time, or None
    batched    the pictures of a batch have nothing to do with each other
    signs      asked in this order where the bank does not know the answer
    explain    explain(function) -> (name, sentence) or None, asked after them
    stopped    stopped(function) raises what stopped a run that no mistake of the bank explains
    tolerance  largest difference that is still equal; `relative` to the right one's largest value
    """

    name: str
    right: Callable
    measure: Callable
    fact: str
    mistakes: tuple
    observe: Callable | None = None
    probes: Callable | None = None
    batched: bool = False
    signs: tuple = ()
    explain: Callable | None = None
    stopped: Callable | None = None
    tolerance: float = 1e-4
    relative: bool = True

    def __post_init__(self):
        if self.observe is None:
            object.__setattr__(self, "observe", outputs(self.probes))


def check(exercise, function):
    """The student's function checked: prints one line, returns a Result."""
    if function is None or function is ...:
        return report(exercise, "not-done", "this exercise has no function yet")
    if not callable(function):
        text = (
            f"this is a {type(function).__name__}; hand over the function itself, without brackets"
        )
        return report(exercise, "type", text)
    name = name_of(function)
    try:
        mistake, text = diagnose(exercise, function)
    except Unfinished as unfinished:
        return report(exercise, "not-done", f"{name} {unfinished}")
    except Misuse as misuse:
        return report(exercise, misuse.args[0], f"{name}: {misuse.args[1]}")
    except Exception as error:
        return report(exercise, *explain_error(name, error))
    return report(exercise, mistake, f"{name}{' ' if mistake is None else ': '}{text}")


def report(exercise, mistake, text):
    """Prints the line and returns the Result."""
    head = {None: "right", "not-done": "not done yet"}.get(mistake, "not right yet")
    result = Result(exercise.name, mistake is None, mistake, f"{head}: {text}")
    print(result.message)
    return result


def diagnose(exercise, function):
    """(name of the mistake or None, what to say)."""
    NOTES.clear()
    yours = run(exercise.observe, function)
    notes = dict(NOTES)
    right = observe_once(exercise.observe, exercise.right)
    if exercise.probes and not same_again(yours, run(exercise.observe, function, seed=1)):
        return examine.own_noise(exercise, yours, run(exercise.observe, function, seed=1))
    if same(exercise, yours, right):
        said = fill(exercise, exercise.fact, function) or "does what it should"
        return None, "; ".join([said, *hints(yours, right, notes)])
    for mistake in exercise.mistakes:
        if same(exercise, yours, observe_once(exercise.observe, mistake.function)):
            return mistake.name, fill(exercise, mistake.sentence, function)
    if exercise.stopped:
        run(exercise.stopped, function)
    found = (
        (examine.examine(exercise, function, yours, right) if exercise.probes else None)
        or (exercise.probes and not exercise.explain and examine.relation(exercise, yours, right))
        or read_signs(exercise, function)
        or (exercise.explain and run(exercise.explain, function))
        or examine.relation(exercise, yours, right)
        or check_form(yours, right)
    )
    if found:
        return found
    if "changed-input" in notes:
        return "changed-input", f"{notes['changed-input']}, and what it returns is not right either"
    return "unknown", hint(exercise, function, yours, right)


def same_again(yours, again):
    """The function answered the same twice."""
    return yours.keys() == again.keys() and all(
        yours[k].shape == again[k].shape
        and torch.equal(yours[k].double().nan_to_num(), again[k].double().nan_to_num())
        for k in yours
    )


def read_signs(exercise, function):
    """(name, sentence) of the first sign that holds, or None."""
    if not exercise.signs:
        return None
    yours = run(exercise.measure, function)
    right = observe_once(exercise.measure, exercise.right)
    for sign in exercise.signs:
        try:
            said = fill(exercise, sign.sentence, function) if sign.holds(yours, right) else None
        except (KeyError, TypeError):  # a number that could not be measured
            continue
        if said:
            return sign.name, said
    return None


def hints(yours, right, notes):
    """What may be said of a right answer: its precision, its kind, its way with its input."""
    if any(right[k].dtype == torch.float32 and yours[k].dtype == torch.float64 for k in right):
        notes = {**notes, "float64": "its numbers are float64, a network's pictures are float32"}
    return list(notes.values())


def run(action, function, seed=0):
    """action(function) with fixed random states; the global ones are put back afterwards."""
    kept, kept_plain = numpy.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            numpy.random.seed(seed)
            random.seed(seed)
            return action(function)
    finally:
        numpy.random.set_state(kept)
        random.setstate(kept_plain)


@cache
def observe_once(observe, function):
    """What a function of the bank shows; it is always the same, and run once only."""
    return run(observe, function)


def fill(exercise, sentence, function):
    """The sentence with its blanks filled: your_..., right_..., and bare names, which are yours.

    A clause, from comma to comma, with a number that was not measured is left out.
    """
    yours = run(exercise.measure, function)
    right = observe_once(exercise.measure, exercise.right)
    numbers = {f"your_{name}": value for name, value in yours.items()}
    numbers |= {f"right_{name}": value for name, value in right.items()}
    numbers = {name: value for name, value in (yours | numbers).items() if measured(value)}
    clauses = re.split(r"(?<=[,;:]) (?![^(]*\))", sentence)
    told = [c for c in clauses if all(name in numbers for name in BLANK.findall(c))]
    return re.sub(r"[,;:]$", "", " ".join(told).format(**numbers))


BLANK = re.compile(r"\{(\w+)")
LARGEST = 1e7  # a number beyond it is a symptom, no measurement


def measured(value):
    """A number that may be told."""
    return isinstance(value, str) or value is not None and abs(value) < LARGEST


def same(exercise, one, other):
    """Both show the same labels, shapes and, within the tolerance, values."""
    return one.keys() == other.keys() and all(
        near(exercise, one[label], other[label]) for label in other
    )


def near(exercise, one, other):
    """Two tensors agree; nan agrees with nan."""
    if one.shape != other.shape:
        return False
    room = exercise.tolerance * (size(other) if exercise.relative else 1)
    return (
        torch.isclose(one.double(), other.double(), rtol=0, atol=room, equal_nan=True).all().item()
    )


def size(values):
    """The largest finite absolute value, 0 for none."""
    values = values.double()[values.isfinite()]
    return values.abs().max().item() if len(values) else 0.0


def check_form(yours, right):
    """A wrong shape, or values that are not numbers, or None."""
    for label in yours.keys() & right.keys():
        if yours[label].shape != right[label].shape:
            shapes = tuple(yours[label].shape), tuple(right[label].shape)
            return "shape", f"it returns shape {shapes[0]} where {shapes[1]} is expected ({label})"
    for label, value in yours.items():
        bad = (~value.isfinite()).sum().item()
        if bad and label in right:
            text = f"{bad} of its {value.numel()} numbers are nan or infinite ({label})"
            return (
                "not-finite",
                f"{text}; look for a division by 0, or the root of a negative number",
            )
    return None


def hint(exercise, function, yours, right):
    """What can be said of an answer that no one has foreseen: where, how far off, which way."""
    wrong = [label for label in right if not agrees(exercise, yours, right, label)]
    wrong = [label for label in wrong if label in yours] or wrong
    parts = [f"not one of the mistakes known here. {where_wrong(wrong, yours, right)}"]
    worst = max(wrong, key=lambda label: distance(yours, right, label))
    if worst in yours:
        parts.append(largest_difference(yours[worst], right[worst], worst))
        parts += proportion(yours, right, wrong)
    parts += side_by_side(exercise, function)
    return " ".join(parts)


def agrees(exercise, yours, right, label):
    """The student's answer is there and right at this probe."""
    return label in yours and near(exercise, yours[label], right[label])


def where_wrong(wrong, yours, right):
    """At which probes it is wrong and at which right."""
    good = [label for label in right if label in yours and label not in wrong]
    return f"Wrong: {', '.join(wrong)}. " + (
        f"Right: {', '.join(good)}." if good else "None is right."
    )


def distance(yours, right, label):
    """The largest difference at this probe in units of the right answer's size."""
    if label not in yours:
        return -1.0
    return size(yours[label].double() - right[label].double()) / max(size(right[label]), 1e-12)


def largest_difference(yours, right, label):
    """One sentence on the number that is farthest off."""
    difference = (yours.double() - right.double()).abs().nan_to_num().flatten()
    k = difference.argmax()
    your, its = yours.flatten()[k].item(), right.flatten()[k].item()
    sign = ", and of the other sign" if your * its < 0 else ""
    return f"The largest difference is at {label}: {your:.4g} where {its:.4g} is right{sign}."


def proportion(yours, right, wrong):
    """A sentence where the whole answer is a multiple of the right one, else none."""
    wrong = [label for label in wrong if label in yours]
    one = torch.cat([yours[label].double().flatten() for label in wrong])
    other = torch.cat([right[label].double().flatten() for label in wrong])
    ratio = (one @ other / (other @ other).clamp(min=1e-300)).item()
    if (
        len(one) < 2
        or not torch.isclose(one, ratio * other, rtol=1e-3, atol=1e-3 * size(one)).all()
    ):
        return []
    return [f"Everything that is wrong is {ratio:.4g} times what it should be."]


def side_by_side(exercise, function):
    """The exercise's measured fact for the student's function and for the right one."""
    try:
        yours, right = (fill(exercise, exercise.fact, f) for f in (function, exercise.right))
    except Exception:
        return []
    return [f"Yours {yours}; the right one {right}."] if yours and yours != right else []


def explain_error(name, error):
    """("not-done" or "error", what to say): the kind of error, its first line, the line number."""
    if type(error) is NotImplementedError and "aten::" not in str(error):
        return "not-done", f"{name} is not written so far"
    if "ellipsis" in str(error).casefold():
        return "not-done", f"{name} still has a blank, `...`, in it"
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", (str(error).splitlines() or [""])[0])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_theirs(frame)]
    return "error", f"{name} stops{place(frames)} with {type(error).__name__}: {text}"


def place(frames):
    """The number of the student's line, and the line, where they are known."""
    if not frames:
        return ""
    code = " ".join((frames[-1].line or "").split())
    shown = f", `{code if len(code) <= 60 else code[:57] + '...'}`," if code else ""
    return f" in line {frames[-1].lineno}{shown}"


def is_theirs(frame):
    """A frame of the traceback outside this package and the libraries."""
    ours = str(Path(__file__).parents[2])
    return not frame.filename.startswith(ours) and "-packages" not in frame.filename


def name_of(function):
    """The function's name, or "your function" where it has none to speak of."""
    name = getattr(function, "__name__", "")
    return name if name.isidentifier() else "your function"


def outputs(probes):
    """observe(function) for a plain function: its answer at each probe.

    probes   a function without arguments -> [(label, arguments, keywords)], made anew each time
    """
    return lambda function: {
        label: call(function, *arguments, **keywords) for label, arguments, keywords in probes()
    }

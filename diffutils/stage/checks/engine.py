"""Compares a student's function with the right answer and with a bank of known mistakes.

An `Exercise` holds the right function, a way to observe a function (its answers at a few probes, or
what it did while it ran) and its `Mistake`s: each a name, the wrong function, and a sentence with
blanks for numbers. The numbers are measured on the student's function at the moment of the check.
To teach a check one more mistake, add one `Mistake` to the exercise's bank.

A check prints one line and returns a `Result`; it never raises and leaves the global random state
as it was. No sentence holds the answer's formula.
"""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy
import torch


class Unfinished(Exception):
    """The student's function still has a blank in it."""


class Misuse(Exception):
    """The student's function does something that no answer may do: a name and a sentence."""


@dataclass(frozen=True)
class Result:
    """What a check found.

    exercise   the name of the check
    passed     True for a right answer only
    mistake    None, or the name of what is wrong: a known mistake, or "not-done", "error",
               "type", "shape", "not-finite", "dtype", "changed-input", "unknown"
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
class Exercise:
    """One exercise and its bank.

    observe    observe(function) -> {label: tensor}, what is compared
    measure    measure(function) -> {name: number}, the numbers that sentences and facts speak of
    fact       goes on after "my_function ...", with blanks for the measured numbers
    tolerance  largest difference that is still equal; `relative` to the right one's largest value
    """

    name: str
    right: Callable
    observe: Callable
    measure: Callable
    fact: str
    mistakes: tuple
    tolerance: float = 1e-4
    relative: bool = True


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
    yours = run(exercise.observe, function)
    right = observe_once(exercise.observe, exercise.right)
    if same(exercise, yours, right):
        return check_dtype(yours, right) or (None, fill(exercise, exercise.fact, function))
    for mistake in exercise.mistakes:
        if same(exercise, yours, observe_once(exercise.observe, mistake.function)):
            return mistake.name, fill(exercise, mistake.sentence, function)
    return check_form(yours, right) or ("unknown", hint(exercise, function, yours, right))


def run(action, function):
    """action(function) with a fixed random state; the global one is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return action(function)


@cache
def observe_once(observe, function):
    """What a function of the bank shows; it is always the same, and run once only."""
    return run(observe, function)


def fill(exercise, sentence, function):
    """The sentence with its blanks filled: your_..., right_..., and bare names, which are yours."""
    yours, right = (run(exercise.measure, f) for f in (function, exercise.right))
    numbers = {f"your_{name}": value for name, value in yours.items()}
    numbers |= {f"right_{name}": value for name, value in right.items()}
    return sentence.format(**yours, **numbers)


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


def check_dtype(yours, right):
    """A right answer in float64 where the pictures are float32, or None."""
    for label, value in yours.items():
        if right[label].dtype == torch.float32 and value.dtype == torch.float64:
            text = "the numbers are right, but they come as float64; the pictures are float32"
            return "dtype", f"{text}, and a network would refuse to mix the two"
    return None


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
    return [] if yours == right else [f"Yours {yours}; the right one {right}."]


def call(function, *arguments, **keywords):
    """The student's answer as a tensor; blanks, odd types and side effects are noticed."""
    handed = [a.clone() if isinstance(a, torch.Tensor) else a for a in arguments]
    answer = function(*handed, **keywords)
    for before, after in zip(arguments, handed, strict=True):
        if isinstance(before, torch.Tensor) and not torch.equal(before, after):
            raise Misuse(
                "changed-input", "it changes the tensor it was given; make a new one instead"
            )
    return as_tensor(answer)


def as_tensor(answer):
    """Tensors, arrays, numbers and lists of them as a CPU tensor without gradients."""
    if answer is None or answer is ... or answer is NotImplemented:
        raise Unfinished(
            f"returns {'nothing (None)' if answer is None else 'a blank, `...`,'} so far"
        )
    if isinstance(answer, torch.Tensor):
        return answer.detach().cpu()
    if isinstance(answer, (int, float, list, tuple, numpy.ndarray, numpy.generic)):
        try:
            return torch.as_tensor(answer)
        except (TypeError, ValueError, RuntimeError):
            pass
    raise Misuse("type", f"it returns a {type(answer).__name__}; a tensor is expected")


def explain_error(name, error):
    """("not-done" or "error", what to say): the kind of error, its first line, the line number."""
    if type(error) is NotImplementedError and "aten::" not in str(error):
        return "not-done", f"{name} is not written so far"
    if "ellipsis" in str(error).casefold():
        return "not-done", f"{name} still has a blank, `...`, in it"
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", (str(error).splitlines() or [""])[0])
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if is_theirs(frame)
    ]
    place = f" in line {lines[-1]}" if lines else ""
    return "error", f"{name} stops{place} with {type(error).__name__}: {text}"


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

"""Reads the coefficients off a function that mixes pictures, and says what each of them is.

A step such as `a x + b noise` is known by a and b. A `Reader` measures them at several settings
(levels of two schedules, or strengths of guidance), finds those that are wrong, and looks them up
among the quantities that a student may have taken: any of them, its root, its square, of this level
or a neighbour, and products and quotients of two.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from diffutils.schedule import linear_schedule
from diffutils.stage.checks.asking import call

SAME = 2e-5  # relative; pictures are float32


@dataclass(frozen=True)
class Reader:
    """explain(function) for an exercise whose answer is a sum of pictures times numbers.

    ask        ask(function, pictures, setting) -> the answer
    roles      what each picture is called
    settings   the first is the one that sentences speak of; `where` says it in words
    words      words(setting) -> {description: number}
    """

    right: Callable
    ask: Callable
    roles: tuple
    settings: tuple
    where: str
    words: Callable

    def __call__(self, function):
        yours, right = self.read(function), self.read(self.right)
        if yours is None:
            return None
        table = [self.words(setting) for setting in self.settings]
        table = {word: torch.tensor([row[word] for row in table]).double() for word in table[0]}
        found = [
            self.describe(role, a, b, table)
            for role, a, b in zip((*self.roles, "a constant"), yours, right, strict=True)
            if not close(a, b)
        ]
        if not found:
            return None
        return "+".join(name for name, _ in found), "; ".join(text for _, text in found)

    def read(self, function):
        """(roles + 1, settings) coefficients, the last what is there anyway; None if not linear."""
        columns = []
        for setting in self.settings:
            nothing = [constant(0)] * len(self.roles)
            rest = self.value(function, nothing, setting)
            column = []
            for k in range(len(self.roles)):
                pictures = [*nothing[:k], constant(1), *nothing[k + 1 :]]
                column.append(self.value(function, pictures, setting) - rest)
            mixed = [constant(0.5 + k) for k in range(len(self.roles))]
            expected = rest + sum((0.5 + k) * c for k, c in enumerate(column))
            if not abs(self.value(function, mixed, setting) - expected) <= 1e-4 * (
                1 + abs(expected)
            ):
                return None
            columns.append([*column, rest])
        return torch.tensor(columns).double().T

    def value(self, function, pictures, setting):
        return self.ask(function, pictures, setting).double().mean().item()

    def describe(self, role, yours, right, table):
        """(name, sentence) of one coefficient that is wrong."""
        numbers = f"{role} counts {yours[0]:.4g} {self.where}, it should count {right[0]:.4g}"
        what = recognise(yours, right, table)
        slug = role.removeprefix("the ").replace(" ", "-")
        if what is None:
            k = (yours / right - 1).abs().nan_to_num().argmax()
            more = f"; elsewhere {yours[k]:.4g} for {right[k]:.4g}" if k else ""
            return f"{slug}-off", numbers + more
        return f"{slug}: {what}", f"{numbers}: yours is {what}"


def constant(value):
    return torch.full((1, 3, 2, 2), float(value))


def close(a, b):
    return bool(((a - b).abs() <= SAME * b.abs().clamp(min=1e-4)).all())


def recognise(yours, right, table):
    """In words what the coefficient is, or None."""
    if close(yours, 0 * yours):
        return "0, so that it does not come in"
    if close(yours, -right):
        return "of the wrong sign"
    for name, values in table.items():
        for sign, start in ((1, ""), (-1, "minus ")):
            if close(yours, sign * values):
                return start + name
            if close(yours * values, sign * torch.ones_like(yours)):
                return f"{start}1 over {name}"
    ratio = (yours / right)[0]
    if ratio.isfinite() and close(yours, ratio * right):
        return f"{ratio:.4g} times too large" if ratio > 1 else f"{ratio:.4g} times what it should"
    return recognise_pair(yours, table)


def recognise_pair(yours, table):
    """Products and quotients of two quantities."""
    names, values = list(table), torch.stack(list(table.values()))
    inverse = 1 / values
    ways = ((values, values, "{} times {}"), (values, inverse, "{} over {}"),
            (inverse, inverse, "1 over {} and over {}"))  # fmt: skip
    for sign, start in ((1, ""), (-1, "minus ")):
        for one, other, text in ways:
            products = one[:, None] * other[None]
            off = (products - sign * yours).abs() - SAME * yours.abs().clamp(min=1e-4)
            good = (off <= 0).all(-1).nonzero()
            if len(good):
                a, b = good[0].tolist()
                return start + text.format(names[a], names[b])
    return None


# --- what may stand in a step --------------------------------------------------------------------


def schedule_words(schedule, i, new=None):
    """{description: number} of everything a schedule tells of level i and its neighbours."""
    levels = {"": i, " of the level below": i - 1, " of the level above": i + 1}
    levels |= {" of the last level": schedule.timesteps, " of level 1": 1}
    if new is not None:
        levels |= {" of the new level": new}
    words = {"1": 1.0, "2": 2.0, "a half": 0.5}
    for where, k in levels.items():
        k = min(max(k, 0), schedule.timesteps)
        bar, alpha = schedule.alpha_bar[k].item(), schedule.alpha[k].item()
        for name, value in {
            "alpha_bar": bar, "1 - alpha_bar": 1 - bar, "alpha": alpha, "beta": 1 - alpha,
        }.items():  # fmt: skip
            words[name + where] = value
            words[f"the root of {name}{where}"] = value**0.5
            words[f"the square of {name}{where}"] = value**2
        words[f"1 minus the root of alpha_bar{where}"] = 1 - bar**0.5
        words[f"1 minus the root of 1 - alpha_bar{where}"] = 1 - (1 - bar) ** 0.5
    part = i / schedule.timesteps
    words |= {"the level as a part of all": part, "the rest of the levels": 1 - part}
    words |= {"the level's number": i, "the root of the level's part": part**0.5}
    return words | {"the root of the rest of the levels": (1 - part) ** 0.5}


def at_levels(right, roles, ask):
    """A Reader of a step at levels of two schedules; ask(function, pictures, i, schedule)."""
    long, short = linear_schedule(), linear_schedule(20, 0.01, 0.4)
    return Reader(
        right=right,
        ask=lambda function, pictures, at: ask(function, pictures, at[1], at[0]),
        roles=roles,
        settings=((long, 250), (long, 60), (long, 400), (short, 6), (short, 10), (short, 15)),
        where="at level 250",
        words=lambda at: schedule_words(*at),
    )


def asks(function, pictures, i, schedule):
    """The usual order: the picture, its level, and the noises."""
    return call(function, pictures[0], i, *pictures[1:], schedule=schedule)

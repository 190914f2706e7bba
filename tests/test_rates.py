"""The check on the plan of the learning rate: the library's passes, each mistake is named."""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
import pytest
import torch
from banks import assert_all_differ

from diffutils import PaletteUnet, fit, linear_schedule
from diffutils.stage import checks
from diffutils.stage.checks import rates

BANK = rates.RATE_PLAN.mistakes
HALF = "(1 + math.cos(math.pi * step / steps)) / 2"
UP = "min(1, (step + 1) / 100)"
WRONG = [  # written without a look at the bank's functions
    "1", "step / steps", "1 - step / steps", "0.003", f"0.003 * {UP}", UP, HALF,
    f"{UP} * math.cos(math.pi * step / steps)", f"min(1, step / 100) * {HALF}",
    f"(step + 1) / 100 * {HALF}", f"{UP} * (1 + math.cos(math.pi * step / steps))",
    f"{UP} * (1 - math.cos(math.pi * step / steps)) / 2", f"{UP} + {HALF}", f"{UP} - {HALF}",
    f"{UP} * (1 + math.cos(2 * math.pi * step / steps)) / 2", f"{UP} * (1 + math.cos(step / steps)) / 2",
    f"{UP} * (1 + math.cos(math.pi * (step + 100) / steps)) / 2", f"{UP} * math.exp(-step / steps)",
    f"max(1, (step + 1) / 100) * {HALF}", f"min(1, (step + 1) / 50) * {HALF}",
    f"min(1, (step + 1) / 1000) * {HALF}", f"{UP} * (1 + math.cos(math.pi * step / 1600)) / 2",
    f"{UP} * (1 + math.cos(math.pi * step / (steps - 1))) / 2", f"{UP} * {HALF} ** 0.5",
    f"{UP} ** 2 * {HALF}", f"{UP} * (0.5 + 0.5 * math.sin(math.pi * step / steps))",
    f"{UP} * (1 - step / steps)", f"{UP} / ({HALF})", f"{UP} * {HALF} * 100", f"round({UP} * {HALF}, 2)",
    f"({UP} if step < 100 else 1) * math.cos(math.pi * step / (2 * steps))",
    f"{UP} if step < 100 else (1 + math.cos(math.pi * step / steps)) / 3",
]  # fmt: skip
RIGHT = [
    f"{UP} * {HALF}", "np.minimum(1, (1 + step) / 100) * (0.5 + 0.5 * np.cos(np.pi * step / steps))",
    f"{UP} * math.cos(math.pi / 2 * step / steps) ** 2", f"({UP} if step < 99 else 1.0) * {HALF}",
    f"torch.tensor({UP}) * (0.5 * (torch.tensor(math.pi * step / steps, dtype=torch.float64).cos() + 1))",
]  # fmt: skip


def build(body):
    names = {"math": math, "np": np, "torch": torch}
    exec(f"def my_rate(step, steps):\n    return {body}\n", names)  # noqa: S102
    return names["my_rate"]


def test_the_right_plan_is_that_of_the_library():
    schedule = linear_schedule()
    x0 = torch.zeros(4, 3, 16, 16)
    run = fit(PaletteUnet(schedule=schedule), x0, schedule=schedule, steps=1600, learning_rate=1.0)
    for run.step in (0, 1, 49, 99, 100, 400, 800, 1200, 1599):
        assert rates.right_rate(run.step, 1600) == pytest.approx(run.rate())


@pytest.mark.parametrize("body", RIGHT)
def test_a_right_plan_in_an_unusual_way_is_right(body):
    assert checks.rate_plan(build(body)).passed


@pytest.mark.parametrize("mistake", BANK, ids=lambda mistake: mistake.name)
def test_each_known_mistake_is_named_with_its_numbers(mistake):
    result = checks.rate_plan(mistake.function)
    assert result.mistake == mistake.name and not result.passed
    assert "nan" not in result.message and "{" not in result.message and "\n" not in result.message


def test_no_two_mistakes_look_alike():
    assert_all_differ(rates.RATE_PLAN)


def test_of_twenty_wrong_plans_four_of_five_are_named():
    results = {body: checks.rate_plan(build(body)) for body in WRONG}
    assert len(results) >= 20 and not any(result.passed for result in results.values())
    missed = [body for body, result in results.items() if result.mistake in ("unknown", "not-done")]
    assert len(missed) <= 0.2 * len(WRONG), missed


@pytest.mark.parametrize("stub", [lambda step, steps: ..., lambda step, steps: None])
def test_a_stub_is_not_done(stub):
    assert checks.rate_plan(stub).mistake == "not-done"


ECHOES = {  # answers to the echo of exercise 1 that a student may give, and the name of the mistake
    0.5: "sprite-alone", 1: "all-of-it", 0.0858: "noise-alone", 0.084: "noise-alone",
    0.293: "difference", 0.29: "difference", 0: "zero", 0.766: "root", 0.71: "std", 0.707: "std",
    0.79: "half-squared", 0.793: "half-squared", 0.414: "subtracted", 0.416: "subtracted",
    1.5: "noise-counted-whole", 0.505: "sprite-alone", 0.77: "root",
}  # fmt: skip


@pytest.mark.parametrize(("answer", "name"), ECHOES.items())
def test_a_wrong_price_of_an_echo_is_named(answer, name):
    assert checks.number("echo-half-way", answer).mistake == name


@pytest.mark.parametrize("answer", [0.587, 0.5869, 0.59, 0.58, 0.5841])
def test_the_price_of_an_echo_is_right_to_two_digits(answer):
    assert checks.number("echo-half-way", answer).passed

"""The notebooks on steering, deeper 06: their checks, what they write by hand, and what they claim.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
import pytest
from banks import (
    assert_a_stub_is_not_done,
    assert_all_differ,
    assert_four_of_five_are_named,
    assert_named,
    written,
)

from diffutils.stage.checks import steered

EXERCISES = {
    steered.cancelling_scale: steered.CANCELLING_SCALE,
    steered.toward_and_away: steered.TOWARD_AND_AWAY,
    steered.naming: steered.NAMING,
}
BANK = [(check, mistake) for check, e in EXERCISES.items() for mistake in e.mistakes]
SIGNATURES = {
    steered.cancelling_scale: "a, b",
    steered.toward_and_away: "n, w, u, t, a",
    steered.naming: "c, dice, widths",
}
name_of = {check: check.__name__ for check in EXERCISES}.get


def build(check, body):
    return written(SIGNATURES[check], body, math=math, np=np)


RIGHT = {
    steered.cancelling_scale: [
        "b.log() / (b.log() - a.log())", "math.log(b) / math.log(b / a)", "math.log2(b) / (math.log2(b) - math.log2(a))",
        "1 / (1 - a.log() / b.log())", "(b.sqrt()).log() / (b.sqrt() / a.sqrt()).log()",
    ],
    steered.toward_and_away: [
        "n + t * (w - n) - a * (u - n)", "(1 - t + a) * n + t * w - a * u", "n + t * (w - n) + a * (n - u)",
        "torch.stack([n * (1 + a - t), t * w, -a * u]).sum(0)", "n - (a * (u - n) - t * (w - n))",
    ],
    steered.naming: [
        "c * (dice < 0.5).repeat_interleave(torch.tensor(widths), dim=1)",
        "torch.cat([part * (dice[:, k : k + 1] < 0.5) for k, part in enumerate(c.split(widths, dim=1))], 1)",
        "torch.where((dice < 0.5).repeat_interleave(torch.tensor(widths), 1), c, 0.0)",
        "c * torch.from_numpy(np.repeat(dice.numpy() < 0.5, widths, axis=1))",
        "    out, first = c.clone(), 0\n    for k, w in enumerate(widths):\n        out[dice[:, k] >= 0.5, first : first + w] = 0\n        first += w\n    return out",
    ],
}  # fmt: skip
STAY = "(dice < 0.5)"
OVER = ".repeat_interleave(torch.tensor(widths), dim=1)"
WRONG = {
    steered.cancelling_scale: [
        "1 / (b - a)", "b - a", "a * b", "(1 - b) / (a - b) + 1", "b / a - 1", "a / (b - a)", "math.log(b - a)",
        "math.log(b) / math.log(b - a) if b > a else 1.0", "math.log(b) - math.log(a)", "math.log(a * b)",
        "math.log(b) / (math.log(b) + math.log(a))", "-math.log(a) / math.log(b)", "(b - 1) / (a - 1)",
        "(a - 1) / (b - 1)", "1 - math.log(b) / math.log(b / a)", "math.log(b) / math.log(b / a) / 2",
        "math.log(1 + b) / math.log(1 + b / a)", "b.sqrt() / (b.sqrt() - a.sqrt())", "math.exp(b) / math.exp(b - a)",
        "2.0", "1.36", "b ** (1 - a)", "math.log(b) / math.log(a / b)", "(b * b - 1) / (b * b - a * a)", "1 / math.log(b / a)",
    ],
    steered.toward_and_away: [
        "n + t * (w - n) + a * (u - n)", "w + t * (w - n) - a * (u - n)", "n + t * w - a * u", "t * w - a * u",
        "n + t * (w - u)", "n + (t - a) * (w - u)", "u + t * (w - u)", "n + t * (n - w) - a * (n - u)",
        "n - t * (w - n) - a * (u - n)", "n + a * (w - n) - t * (u - n)", "n + t * (w - n) - a * (u - w)",
        "n + t * (w - n) * a * (u - n)", "(n + t * (w - n)) - a * u", "w - u", "n + t * a * (w - u)",
        "n + t * (w - n) - (u - n)", "n + (w - n) - (u - n)", "(1 + t) * w - a * u - (t - a) * n + n",
        "n + t * (w - n) / (1 + a) - a * (u - n) / (1 + t)", "n + t * (w - n) - t * (u - n)", "(n + w - u) / 3",
        "n + t * (w - n) - a * (u - n) / 2", "(1 - t) * n + t * w", "n + t * (w - n) - a * (n - u)",
    ],
    steered.naming: [
        f"c * (dice > 0.5){OVER}", f"c * (dice < 0.1){OVER}", f"c * (dice < 0.9){OVER}", "c * (dice[:, :1] < 0.5)",
        f"c * (torch.rand_like(dice) < 0.5){OVER}", "c * (torch.rand(len(c), 1) < 0.5)", "c * (torch.rand_like(c) < 0.5)",
        "c * (dice < 0.5).any(dim=1, keepdim=True)", "c * (dice < 0.5).all(dim=1, keepdim=True)", f"{STAY}{OVER} * 1.0",
        f"c - {STAY}{OVER} * 1.0", f"c / 0.5 * {STAY}{OVER}", f"c * {STAY}.repeat_interleave(torch.tensor(widths).flip(0), 1)",
        "c * dice.mean()", f"c * dice{OVER}", "c", "0 * c", "c * (dice.mean(1, keepdim=True) < 0.5)", f"c * (1 - dice){OVER}",
        f"c * (dice[:1] < 0.5){OVER}", f"c * {STAY}[torch.randperm(len(c))]{OVER}", f"c * (dice.roll(1, 1) < 0.5){OVER}",
        f"c * (dice.roll(1, 0) < 0.5){OVER}", f"torch.where({STAY}{OVER}, c, -c)", f"torch.where({STAY}{OVER}, c, 1.0)",
        f"c * (dice.round() > 0){OVER}",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("check", "body"), [(c, b) for c, bs in RIGHT.items() for b in bs])
def test_a_right_answer_in_whatever_way_is_right(check, body, capsys):
    result = check(build(check, body))
    assert result.passed and capsys.readouterr().out == result.message + "\n"


@pytest.mark.parametrize(("check", "mistake"), BANK, ids=lambda part: getattr(part, "name", ""))
def test_each_mistake_is_named_with_finite_numbers(check, mistake):
    assert_named(check, mistake)


@pytest.mark.parametrize("check", EXERCISES, ids=name_of)
def test_no_two_mistakes_look_alike(check):
    assert len(EXERCISES[check].mistakes) >= 15
    assert_all_differ(EXERCISES[check])


@pytest.mark.parametrize("check", EXERCISES, ids=name_of)
def test_a_stub_is_not_done(check):
    assert_a_stub_is_not_done(check)


@pytest.mark.parametrize("check", EXERCISES, ids=name_of)
def test_four_of_five_wrong_answers_are_named_and_none_is_right(check):
    assert_four_of_five_are_named(check, {body: build(check, body) for body in WRONG[check]})

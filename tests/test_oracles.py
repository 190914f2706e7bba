"""The checks on sizes, the oracle of one sprite, and dice: right answers, mistakes, and others.

The wrong answers of WRONG are in no bank; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import pytest
from banks import bank_tests, written

from diffutils.stage import checks
from diffutils.stage.checks import numbers, oracles

EXERCISES = {
    oracles.size_at: oracles.SIZE_AT,
    oracles.oracle_noise: oracles.ORACLE_NOISE,
    oracles.even_dice: oracles.EVEN_DICE,
}
SIGNATURES = {
    oracles.size_at: "i, square, *, schedule",
    oracles.oracle_noise: "x, i, x0, *, schedule",
    oracles.even_dice: "u",
}
RIGHT = {
    oracles.size_at: ["(1 + ab[i] * (square - 1)).sqrt()", "torch.hypot(ab[i] ** 0.5 * square**0.5, (1 - ab[i]) ** 0.5)"],
    oracles.oracle_noise: ["(x - ab[i].sqrt() * x0) / (1 - ab[i]).sqrt()", "x / (1 - ab[i]) ** 0.5 - (ab[i] / (1 - ab[i])) ** 0.5 * x0"],
    oracles.even_dice: ["(u - 0.5) / (1 / 12) ** 0.5", "(u * 2 - 1) * 3**0.5"],
}
WRONG = {
    oracles.size_at: [
        "(ab[i] * square + ab[i]).sqrt()", "(ab[i] * square + b[i]).sqrt()", "(a[i] * square + 1 - a[i]).sqrt()",
        "(ab[i] * square + 2 * (1 - ab[i])).sqrt()", "(ab[i] * (1 - square) + 1 - ab[i]).sqrt()", "ab[i].sqrt() * square + (1 - ab[i]).sqrt()",
        "ab[i] + 1 - ab[i] * square", "(square * (1 - ab[i])).sqrt()", "square * ab[i]", "torch.tensor(square)",
        "(ab[i - 1] * square + 1 - ab[i - 1]).sqrt()", "(square + ab[i]).sqrt()", "(ab[i] * square - 1 + ab[i]).abs().sqrt()",
        "1 - ab[i] * square", "(ab[i] / square + 1 - ab[i]).sqrt()", "((ab[i] * square) ** 2 + (1 - ab[i]) ** 2).sqrt()",
        "(ab[i] * square + 1 - ab[i]) ** 0.25", "ab[i].sqrt() * square**0.5", "(1 + ab[i] * square).sqrt() / 2", "i / T * square",
        "(i / T + (1 - i / T) * square) ** 0.5",
    ],
    oracles.oracle_noise: [
        "(x - ab[i].sqrt() * x0) / ab[i]", "(x - (1 - ab[i]) * x0) / ab[i].sqrt()", "x - x0 * (1 - ab[i]).sqrt()", "(x0 - x) / (1 - ab[i]).sqrt()",
        "(x - a[i].sqrt() * x0) / (1 - a[i]).sqrt()", "(x - ab[i].sqrt() * x0) / b[i].sqrt()", "(x - ab[i] * x0) / (1 - ab[i])", "(x - x0) * (1 - ab[i]).sqrt()",
        "(x - ab[i].sqrt() * x0) * 2 / (1 - ab[i]).sqrt()", "x / ab[i].sqrt() - x0", "(x - ab[i - 1].sqrt() * x0) / (1 - ab[i - 1]).sqrt()",
        "x - ab[i] * x0", "(x * ab[i].sqrt() - x0) / (1 - ab[i]).sqrt()", "(x + x0) / 2", "(1 - ab[i]).sqrt() * x", "x * 0", "(ab[i].sqrt() * x - (1 - ab[i]).sqrt() * x0)",
        "(x - 0.5 * x0) / (1 - ab[i]).sqrt()", "(x - ab[i].sqrt() * x0) / (1 + ab[i]).sqrt()", "torch.randn_like(x)", "(x - ab[i].sqrt() * x0).abs() / (1 - ab[i]).sqrt()",
    ],
    oracles.even_dice: [
        "(u - 0.5) * 3", "(u - 0.5) * 2", "(u - 0.5) * 6**0.5", "u * 2", "u - 1", "(u - u.mean()) / u.std() * 2", "(u + 0.5) * 12**0.5", "(0.5 - u) * 12",
        "u**2", "(u - 0.5) ** 2 * 12", "(u - 0.5) * 144", "torch.randn_like(u)", "(u - 1 / 12) * 12**0.5", "(u - 0.5) * 12**0.5 + 0.5", "u * 12", "(u - 0.5) * 24**0.5",
        "u.round() * 2 - 1", "(2 * u - 1) * 12**0.5", "(u - 0.5) / 2", "torch.zeros_like(u)", "(2 * u - 1) / 3**0.5", "u.log()",
    ],
}  # fmt: skip
NUMBERS = ("variance-with-the-bug", "wrapped-entry", "half-range-ratio")
OTHERS = {
    "variance-with-the-bug": [0.5, 0.9, 0.99, 0.9808, 0.985, 1.5, 2, -1, 0, 0.9996, 0.97, 0.981, 0.9805, 1.04, 0.001, 0.96, 3, 0.988, 0.9815, 10],
    "wrapped-entry": [1, 2, 3, 5, 9, 11, 100, 250, 484, 488, 494, 496.5, 501, 502, -3, -10, -1, 1000, 7, 300],
    "half-range-ratio": [0.3, 0.1, 0.9, 0.05, 1.5, 3, 8, -1, 0.35, 0.4, 0.6, 0.15, 0.22, 0.28, 0.66, 0.8, 0.01, 10, 1.1, 0.45],
}


def build(check, body):
    return written(SIGNATURES[check], body)


globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))


@pytest.mark.parametrize("name", NUMBERS)
def test_other_wrong_numbers_are_told_what_they_would_mean(name):
    assert len(numbers.find(name).wrong) >= 15 and len(OTHERS[name]) >= 20
    for answer in OTHERS[name]:
        result = checks.number(name, answer)
        assert not result.passed and result.mistake != "unknown", answer
        right = numbers.find(name).right()
        assert f"{right:.4g}" not in result.message.split(": ", 2)[-1]

"""The checks of lesson 08: right answers in many ways, each mistake, answers that no bank holds.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import numpy as np
import pytest
import torch
from banks import bank_tests, written
from scipy.linalg import sqrtm

from diffutils.stage import checks
from diffutils.stage.checks import judging, numbers

EXERCISES = {judging.standing: judging.STANDING, judging.frechet_of_numbers: judging.FRECHET}
SIGNATURES = {judging.standing: "guess, copier, generaliser", judging.frechet_of_numbers: "a, b"}
WAY = "    w = (copier - generaliser).flatten(1)\n    g = (guess - generaliser).flatten(1)\n    c = (guess - copier).flatten(1)\n"


def build(check, body):
    if check is judging.standing:
        body = WAY + (body if "return" in body else f"    return {body}")
    return written(SIGNATURES[check], body, np=np)


RIGHT = {
    judging.standing: [
        "(g * w).sum(1) / (w * w).sum(1)", "torch.einsum('bd,bd->b', g, w) / w.square().sum(1)",
        "1 + (c * w).sum(1) / (w * w).sum(1)", "(g @ w.T).diagonal() / (w @ w.T).diagonal()",
        "(g.square().sum(1) - c.square().sum(1) + w.square().sum(1)) / (2 * w.square().sum(1))",
        "torch.stack([torch.dot(a, b) / torch.dot(b, b) for a, b in zip(g, w)])",
        "(g * w).mean(1) / (w ** 2).mean(1)",
        "    return [float(np.dot(a, b) / np.dot(b, b)) for a, b in zip(g.numpy(), w.numpy())]",
    ],
    judging.frechet_of_numbers: [
        "(a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2",
        "(a.mean() - b.mean()) ** 2 + a.var() + b.var() - 2 * (a.var() * b.var()) ** 0.5",
        "float((np.mean(a.numpy()) - np.mean(b.numpy())) ** 2 + (np.std(a.numpy()) - np.std(b.numpy())) ** 2)",
        "(b.mean() - a.mean()).square() + (b.std(correction=0) - a.std(correction=0)).square()",
        "torch.dist(torch.stack([a.mean(), a.std()]), torch.stack([b.mean(), b.std()])) ** 2",
    ],
}  # fmt: skip
WRONG = {
    judging.standing: [
        "g.norm(dim=1) / w.norm(dim=1)", "c.norm(dim=1) / w.norm(dim=1)", "g.norm(dim=1)", "c.norm(dim=1)",
        "g.norm(dim=1) / c.norm(dim=1)", "g.norm(dim=1) / (g.norm(dim=1) + c.norm(dim=1))",
        "c.norm(dim=1) / (g.norm(dim=1) + c.norm(dim=1))", "1 - g.norm(dim=1) / w.norm(dim=1)",
        "(g * w).sum(1)", "(g * w).sum(1) / w.norm(dim=1)", "(g * w).sum(1) / (w.norm(dim=1) * g.norm(dim=1))",
        "(g * w).sum() / (w * w).sum()", "(g / w).mean(1)", "g.mean(1) / w.mean(1)", "g.sum() / w.sum()",
        "1 - (g * w).sum(1) / (w * w).sum(1)", "-(g * w).sum(1) / (w * w).sum(1)", "(c * w).sum(1) / (w * w).sum(1)",
        "((g * w).sum(1) / (w * w).sum(1)).clamp(0, 1)", "(g * w).sum(1) / (w * w).sum(1) / 2",
        "(g * w).sum(1) / (g * g).sum(1)", "g.square().sum(1) / w.square().sum(1)", "(g * c).sum(1) / (w * w).sum(1)",
        "g.abs().sum(1) / w.abs().sum(1)", "g.norm(dim=1) - c.norm(dim=1)", "0.5", "(g * w) / (w * w)",
        "torch.zeros(len(g))", "(guess.flatten(1) * w).sum(1) / (w * w).sum(1)", "g @ w.T / (w * w).sum(1)",
    ],
    judging.frechet_of_numbers: [
        "(a.mean() - b.mean()) ** 2", "(a.std() - b.std()) ** 2", "(a.mean() - b.mean()).abs()",
        "(a.mean() - b.mean()).abs() + (a.std() - b.std()).abs()", "(a.mean() - b.mean()) ** 2 + (a.var() - b.var()) ** 2",
        "(a.mean() - b.mean()) ** 2 + a.var() + b.var()", "(a.mean() - b.mean()) ** 2 + a.var() - b.var()",
        "((a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2) ** 0.5", "(a - b[: len(a)]).square().mean() if len(a) <= len(b) else (a[: len(b)] - b).square().mean()",
        "(a.mean() - b.mean()) ** 2 + (a.std() + b.std()) ** 2", "a.mean() - b.mean() + a.std() - b.std()",
        "(a.mean() - b.mean()) ** 2 + a.std() * b.std()", "(a.mean() - b.mean()) ** 2 + a.var() + b.var() - a.std() * b.std()",
        "(a.mean() - b.mean()) ** 2 / (a.std() * b.std())", "((a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2) / 2",
        "(a.mean() - b.mean()) ** 2 + a.var() + b.var() - 2 * a.var() * b.var()", "(a.mean() + b.mean()) ** 2 + (a.std() + b.std()) ** 2",
        "(a.median() - b.median()) ** 2 ", "abs(a.std() - b.std())", "(a.mean() - b.mean()) ** 2 + a.std() + b.std() - 2 * (a.std() * b.std()) ** 0.5",
        "(a.sum() - b.sum()) ** 2 + (a.std() - b.std()) ** 2", "((a.mean() - b.mean()) / a.std()) ** 2 + (a.std() - b.std()) ** 2",
        "0", "a.mean() ** 2 - b.mean() ** 2 + (a.std() - b.std()) ** 2", "2 * (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2",
    ],
}  # fmt: skip


globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))


def test_the_short_formula_is_the_long_one_of_scipy_for_one_number():
    a, b = judging.frechet_probes()[2][1]
    long = (a.mean() - b.mean()) ** 2 + a.var() + b.var() - 2 * sqrtm([[a.var() * b.var()]]).item()
    assert judging.right_frechet(a, b) == pytest.approx(float(long), rel=1e-9)


# --- the two numbers -----------------------------------------------------------------------------

TWENTY = {
    "sprites-for-two-points": [
        430, 400, 784, 6147, 384, 2401, 1000, 500, 240, 333, 3000, 12000, 43, 13, 3.6, 1417, 1230,
        7683, 5000, 60, 0.15, 200,
    ],
    "copies-by-chance": [
        0.039, 3.9, 0, 300, 288, 7, 1.7, 12.2, 5.9, 20, 31, 500, 24, 100, 25, 47, 12768, 1, 50, 16,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TWENTY)
def test_twenty_wrong_numbers_are_named_and_none_is_right(name):
    results = [checks.number(name, answer) for answer in TWENTY[name]]
    assert len(results) >= 20 and not any(result.passed for result in results)
    assert all(result.mistake not in ("unknown", "not-done") for result in results)
    assert len(numbers.find(name).wrong) >= 15


def test_the_numbers_are_what_dice_say():
    generator = np.random.default_rng(0)
    needed = round(numbers.find("sprites-for-two-points").right())
    shares = generator.binomial(needed, 0.8, 20_000) / needed
    assert 0.94 < (abs(shares - 0.8) <= 0.02).mean() < 0.96
    copies = generator.hypergeometric(500, 12_268, 300, 20_000)
    assert abs(copies.mean() - numbers.find("copies-by-chance").right()) < 0.15


def test_a_batch_of_standings_is_each_alone():
    guess, copier, generaliser = judging.on_the_way([0.2, 0.7, 1.1, -0.3])
    alone = [judging.right_standing(*(x[k : k + 1] for x in (guess, copier, generaliser)))
             for k in range(4)]  # fmt: skip
    assert torch.allclose(torch.cat(alone), torch.tensor([0.2, 0.7, 1.1, -0.3]), atol=1e-5)

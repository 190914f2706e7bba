"""The checks on following the path: right answers in many ways, each mistake, answers in no bank.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
from banks import bank_tests, written
from scipy.stats import chi2_contingency

import diffutils
from diffutils import denoise_add_noise, denoise_ddim, perturb_input, predict_x0
from diffutils.stage import frontier
from diffutils.stage.checks import solving

EXERCISES = {solving.heun_step: solving.HEUN_STEP, solving.order_of: solving.ORDER}
SIGNATURES = {
    solving.heun_step: "x, i, j, guess, *, schedule",
    solving.order_of: "n, error, more, smaller",
}


def build(check, body):
    return written(SIGNATURES[check], body, math=math, np=np, diffutils=diffutils,
                   predict_x0=predict_x0, perturb_input=perturb_input,
                   denoise_add_noise=denoise_add_noise, denoise_ddim=denoise_ddim)  # fmt: skip


HEUN = """
    eps = guess(x, i)
    tried = denoise_ddim(x, i, j, eps, schedule=schedule)
    if j == 0:
        return tried
    other = {other}
    return {back}
"""
PARTS = {"other": "guess(tried, j)",
         "back": "denoise_ddim(x, i, j, (eps + other) / 2, schedule=schedule)"}  # fmt: skip


def heun(**parts):
    return HEUN.format(**{**PARTS, **parts})


def mixed(noise):
    return heun(back=f"denoise_ddim(x, i, j, {noise}, schedule=schedule)")


SIGMA = "    sigma = ((1 - ab) / ab).sqrt()\n    y = x / ab[i].sqrt()\n    d = guess(x, i)\n"
RIGHT = {
    solving.heun_step: [
        heun(), mixed("0.5 * eps + 0.5 * other"), mixed("torch.stack([eps, other]).mean(0)"),
        mixed("eps + (other - eps) / 2"), mixed("torch.lerp(eps, other, 0.5)"),
        heun(back="(tried + denoise_ddim(x, i, j, other, schedule=schedule)) / 2"),
        SIGMA + "    step = sigma[j] - sigma[i]\n    tried = y + step * d\n    if j > 0:\n"
        "        d = (d + guess((ab[j].sqrt() * tried).float(), j)) / 2\n        tried = y + step * d\n"
        "    return ab[j].sqrt() * tried",
        "    eps = guess(x, i)\n    if j:\n        there = denoise_ddim(x, i, j, eps, schedule=schedule)\n"
        "        eps = (eps + guess(there, j)) / 2\n"
        "    return perturb_input(predict_x0(x, i, eps, schedule=schedule), j, eps, schedule=schedule)",
    ],
    solving.order_of: [
        "math.log(error / smaller) / math.log(more / n)", "math.log(smaller / error) / math.log(n / more)",
        "math.log2(error / smaller) / math.log2(more / n)", "math.log(error / smaller, more / n)",
        "(math.log(error) - math.log(smaller)) / (math.log(more) - math.log(n))",
        "-np.polyfit(np.log([n, more]), np.log([error, smaller]), 1)[0]",
        "torch.log10(torch.tensor(error / smaller)) / torch.log10(torch.tensor(more / n))",
    ],
}  # fmt: skip
WRONG = {
    solving.heun_step: [
        "denoise_ddim(x, i, j, guess(x, i), schedule=schedule)", "guess(x, i)",
        "denoise_ddim(x, i, j, guess(x, j), schedule=schedule)",
        heun(other="guess(tried, i)"), heun(other="guess(x, j)"), heun(other="guess(tried, j + 1)"),
        heun(other="guess(tried, (i + j) // 2)"), heun(other="guess(predict_x0(x, i, eps, schedule=schedule), j)"),
        mixed("other"), mixed("eps + other"), mixed("(other - eps) / 2"), mixed("eps - other / 2"),
        mixed("eps / 2 + other"), mixed("(eps + other) / 3"), mixed("2 * eps - other"), mixed("eps * other / 2"),
        mixed("(eps**2 + other**2) / 2"), mixed("torch.maximum(eps, other)"), mixed("(eps + 2 * other) / 3"),
        heun(back="denoise_ddim(tried, i, j, (eps + other) / 2, schedule=schedule)"),
        heun(back="denoise_ddim(tried, i, j, other, schedule=schedule)"),
        heun(back="(x + tried) / 2"), heun(back="tried"), heun(back="(eps + other) / 2"),
        heun(back="denoise_ddim(x, i, j, (eps + other) / 2, schedule=schedule) + 0.1 * torch.randn_like(x)"),
        heun(back="perturb_input(predict_x0(tried, j, other, schedule=schedule), j, eps, schedule=schedule)"),
        heun(back="perturb_input(predict_x0(x, i, eps, schedule=schedule), j, (eps + other) / 2, schedule=schedule)"),
        heun(back="predict_x0(x, i, (eps + other) / 2, schedule=schedule)"),
        heun(back="denoise_add_noise(x, i, (eps + other) / 2, 0, schedule=schedule, i_prev=j)"),
        heun(back="(tried + denoise_ddim(tried, i, j, other, schedule=schedule)) / 2"),
        heun().replace("    if j == 0:\n        return tried\n", ""),
        heun().replace("return tried", "return x"),
        SIGMA + "    step = sigma[i] - sigma[j]\n    tried = y + step * d\n    if j > 0:\n"
        "        d = (d + guess((ab[j].sqrt() * tried).float(), j)) / 2\n        tried = y + step * d\n    return ab[j].sqrt() * tried",
        SIGMA + "    step = sigma[j] - sigma[i]\n    tried = y + step * d\n    if j > 0:\n"
        "        d = (d + guess(tried.float(), j)) / 2\n        tried = y + step * d\n    return ab[j].sqrt() * tried",
        SIGMA + "    step = sigma[j] - sigma[i]\n    tried = y + step * d\n    if j > 0:\n"
        "        d = (d + guess((ab[j].sqrt() * tried).float(), j)) / 2\n        tried = y + step * d\n    return tried",
    ],
    solving.order_of: [
        "math.log(more / n) / math.log(error / smaller)", "math.log(smaller / error) / math.log(more / n)",
        "error / smaller", "smaller / error", "more / n", "(error / smaller) / (more / n)",
        "math.log2(error / smaller)", "math.log(error / smaller)", "math.log10(error / smaller)",
        "math.log10(more / n)", "math.log(more / n)", "(error - smaller) / (more - n)", "(smaller - error) / (more - n)",
        "math.log(error - smaller) / math.log(more - n)", "math.log(error) / math.log(smaller)",
        "math.log(error / smaller) / (more / n)", "math.log(error / smaller) / more",
        "math.sqrt(error / smaller)", "2", "1.0", "error * n - smaller * more", "math.log2(error / smaller) / 2",
        "math.log(error / smaller) / math.log(more * n)", "math.log(error * smaller) / math.log(more * n)",
        "math.exp(error / smaller) / math.exp(more / n)", "(error / smaller) ** (1 / (more / n))",
        "1 - math.log(smaller / error) / math.log(more / n)", "math.log(error / smaller) / math.log(2 * more / n)",
    ],
}  # fmt: skip


globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))


# --- the cheapest setting ------------------------------------------------------------------------


def test_every_setting_of_the_table_but_the_cheapest_is_answered_with_its_own_numbers(capsys):
    passing, reference = solving.cannot_be_told(), frontier.find(*frontier.REFERENCE)
    cheapest = min(passing.values())
    for row in frontier.frontier()["rows"]:
        setting = row["sampler"], row["steps"]
        result = solving.cheapest(*setting)
        assert capsys.readouterr().out == result.message + "\n"
        assert f"{row['flawless']} of {row['samples']}" in result.message
        apart = by_scipy(row, reference)
        wanted = "can-be-told" if apart > 1.96 else "not-the-cheapest"
        if setting == frontier.REFERENCE:
            wanted = "reference"
        elif apart <= 1.96 and row["calls"] == cheapest:
            wanted = None
        assert result.mistake == wanted and result.passed == (wanted is None)


def by_scipy(one, other):
    """The standard errors between two shares, by the chi-square of a table of four."""
    table = [[row["flawless"], row["samples"] - row["flawless"]] for row in (one, other)]
    return chi2_contingency(table, correction=False).statistic ** 0.5


def test_what_is_no_setting_is_named():
    assert solving.cheapest(None, None).mistake == solving.cheapest("Heun", ...).mistake == "not-done"
    for odd in (("DPM", 10), ("Heun", 25.5), ("Heun", 11), (10, "Heun"), ("DDPM", "ten")):
        result = solving.cheapest(*odd)
        assert result.mistake == "no-such-setting" and "expected one of" in result.message

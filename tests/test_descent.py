"""The checks on the way down: right answers in many ways, each mistake, and answers in no bank.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import pytest
import torch
from banks import bank_tests, written

import diffutils
from diffutils import denoise_add_noise, linear_schedule, perturb_input, predict_x0
from diffutils.stage import checks
from diffutils.stage.checks import asked_of_training, descent

EXERCISES = {
    descent.unknown_std: descent.UNKNOWN_STD,
    descent.mean_from_sprite: descent.MEAN_FROM_SPRITE,
    descent.long_betas: descent.LONG_BETAS,
    descent.left_without: descent.LEFT_WITHOUT,
}
SIGNATURES = {
    descent.unknown_std: "i, *, schedule",
    descent.mean_from_sprite: "x, i, x0, *, schedule",
    descent.long_betas: "kept",
    descent.left_without: "i, *, schedule",
}


def build(check, body):
    return written(SIGNATURES[check], body, math=math, diffutils=diffutils, predict_x0=predict_x0,
                   perturb_input=perturb_input, denoise_add_noise=denoise_add_noise)  # fmt: skip


LOOP = """
    std = (1 - ab[T]).sqrt()
    for j in range(T, i, -1):
        std = std * {factor}
    return std
"""
RIGHT = {
    descent.unknown_std: [
        "(b[i] - b[i] ** 2 / (1 - ab[i])).clamp(min=0).sqrt()",
        "(b[i] * (1 - b[i] / (1 - ab[i]))).sqrt()",
        "(b[i] * a[i] * (1 - ab[i - 1]) / (1 - ab[i])).sqrt()",
        "math.sqrt(max(0.0, float(b[i]) * (1 - float(b[i]) / (1 - float(ab[i])))))",
        "(b[i] * (1 - b[i] / (1 - ab[i])).clamp(min=0)) ** 0.5",
        "b[i].sqrt() * (1 - b[i] / (1 - ab[i])).clamp(min=0).sqrt()",
    ],
    descent.mean_from_sprite: [
        "denoise_add_noise(x, i, (x - ab[i].sqrt().float() * x0) / (1 - ab[i]).sqrt().float(), 0, schedule=schedule)",
        "(ab[i - 1].sqrt() * b[i] * x0 + a[i].sqrt() * (1 - ab[i - 1]) * x) / (1 - ab[i])",
        "    eps = (x - ab[i].sqrt() * x0) / (1 - ab[i]).sqrt()\n    return (x - b[i] / (1 - ab[i]).sqrt() * eps) / a[i].sqrt()",
        "(x - b[i] / (1 - ab[i]) * (x - ab[i] ** 0.5 * x0)) / a[i] ** 0.5",
        "((x - b[i] / (1 - ab[i]) * (x - ab[i] ** 0.5 * x0)) / a[i] ** 0.5).double()",
    ],
    descent.long_betas: [
        "1 - kept[1:] / kept[:-1]", "(kept[:-1] - kept[1:]) / kept[:-1]",
        "[1 - float(b / a) for a, b in zip(kept, kept[1:])]",
        "1 - torch.exp(kept.log().diff())", "-kept.diff() / kept[:-1]",
    ],
    descent.left_without: [
        LOOP.format(factor="(1 - b[j] / (1 - ab[j])) / a[j].sqrt()"),
        LOOP.format(factor="a[j].sqrt() * (1 - ab[j - 1]) / (1 - ab[j])"),
        "(1 - ab[i]) / (1 - ab[T]).sqrt() * (ab[T] / ab[i]).sqrt()",
        "math.sqrt(ab[T] / ab[i] / (1 - ab[T])) * (1 - float(ab[i]))",
        "(1 - ab[T]).sqrt() * torch.prod((1 - b[i + 1 :] / (1 - ab[i + 1 :])) / a[i + 1 :].sqrt())",
    ],
}  # fmt: skip
EPS = "(x - ab[i].sqrt() * x0) / (1 - ab[i]).sqrt()"
WRONG = {
    descent.unknown_std: [
        "b[i]", "b[i].sqrt() / 2", "(b[i] / (1 - ab[i])).sqrt()", "b[i] / (1 - ab[i])",
        "(1 - b[i]).sqrt()", "(1 - ab[i]).sqrt() - b[i].sqrt()", "(b[i] * (1 - ab[i])).sqrt()",
        "(b[i] * ab[i]).sqrt()", "b[i].sqrt() - b[i] / (1 - ab[i]) * b[i].sqrt()",
        "a[i].sqrt()", "ab[i].sqrt()", "(1 - ab[i - 1]).sqrt()", "b[250].sqrt()", "0.10",
        "(b[i] - b[i] / (1 - ab[i])).abs().sqrt()", "(b[i] * (1 - b[i])).sqrt()",
        "b[i].sqrt() * (1 - ab[i]).sqrt()", "(b[i] * (1 - ab[i - 1]) / (1 - ab[i])).sqrt()",
        "b[i] * (1 - b[i] / (1 - ab[i])).sqrt()", "(1 - ab[i]) * (1 - b[i] / (1 - ab[i]))",
        "torch.randn(()) * b[i].sqrt()", "((1 - ab[i]) - b[i] ** 2 / (1 - ab[i])).abs().sqrt()",
        "b[i].sqrt() * a[i].sqrt()", "b[i].sqrt() * (b[i] / (1 - ab[i])).sqrt()",
    ],
    descent.mean_from_sprite: [
        "x0", "x", "(x + x0) / 2", "denoise_add_noise(x, i, x0, 0, schedule=schedule)",
        "x - x0", "ab[i - 1].sqrt() * x0", "ab[i].sqrt() * x0",
        "ab[i].sqrt() * x0 + (1 - ab[i]).sqrt() * x",
        f"    eps = {EPS}\n    return ab[i - 1].sqrt() * x0 + (1 - ab[i - 1]).sqrt() * eps",
        f"    eps = {EPS}\n    return x - b[i] / (1 - ab[i]).sqrt() * eps",
        f"    eps = {EPS}\n    return (x - b[i] * eps) / a[i].sqrt()",
        f"    eps = {EPS}\n    return (x - b[i].sqrt() * eps) / a[i].sqrt()",
        f"    eps = {EPS}\n    return (x - b[i] / (1 - ab[i]).sqrt() * eps) / a[i]",
        f"    eps = {EPS}\n    return (x - b[i] / (1 - ab[i]).sqrt() * eps) * a[i].sqrt()",
        "    eps = (x - ab[i].sqrt() * x0) / ab[i].sqrt()\n    return (x - b[i] / (1 - ab[i]).sqrt() * eps) / a[i].sqrt()",
        "    eps = x - x0\n    return (x - b[i] / (1 - ab[i]).sqrt() * eps) / a[i].sqrt()",
        "    eps = (x0 - x) / (1 - ab[i]).sqrt()\n    return (x - b[i] / (1 - ab[i]).sqrt() * eps) / a[i].sqrt()",
        f"    eps = {EPS}\n    return (x - b[i] / (1 - ab[i]).sqrt() * eps) / a[i].sqrt() + b[i].sqrt() * torch.randn_like(x)",
        f"    eps = {EPS}\n    return eps", "x0 + b[i].sqrt() * x",
        "ab[i - 1].sqrt() * b[i] / (1 - ab[i]) * x0",
        "(ab[i - 1] * b[i] * x0 + a[i] * (1 - ab[i - 1]) * x) / (1 - ab[i])",
        "(ab[i].sqrt() * b[i] * x0 + a[i].sqrt() * (1 - ab[i - 1]) * x) / (1 - ab[i])",
        "(ab[i - 1].sqrt() * b[i] * x0 + a[i].sqrt() * (1 - ab[i]) * x) / (1 - ab[i])",
    ],
    descent.long_betas: [
        "kept", "1 - kept", "kept[1:]", "1 - kept[:-1]", "kept.diff()", "-kept.diff()",
        "kept[1:] / kept[:-1]", "1 - kept[:-1] / kept[1:]", "kept[:-1] / kept[1:] - 1",
        "1 - (kept[1:] / kept[:-1]).sqrt()", "(1 - kept[1:] / kept[:-1]).sqrt()",
        "torch.cat([torch.zeros(1), 1 - kept[1:] / kept[:-1]])", "(1 - kept[1:] / kept[:-1]).flip(0)",
        "torch.linspace(1e-4, 0.02, len(kept) - 1)",
        "20 * (1 - kept[1:] / kept[:-1])", "(1 - kept[1:] / kept[:-1]).sum()",
        "1 - kept.cumprod(0)[1:]", "1 - kept[1:] * kept[:-1]", "(1 - kept[1:] / kept[:-1])[:-1]",
        "(kept[:-1] - kept[1:]) / kept[1:]", "1 - kept[1:] / kept[:-1].sqrt()",
        "kept[1:] - kept[:-1] / kept[:-1]", "1 - kept / kept[0]", "(kept[:-1] - kept[1:]) / (1 - kept[1:])",
    ],
    descent.left_without: [
        "(1 - ab[i]).sqrt()", "1 - ab[i]", "(1 - ab[T]).sqrt()", "ab[i].sqrt()",
        "(ab[T] / ab[i]).sqrt()", "ab[T] / ab[i]", "(1 - ab[T]).sqrt() - (1 - ab[i]).sqrt()",
        LOOP.format(factor="(1 - b[j] / (1 - ab[j]))"),
        LOOP.format(factor="1 / a[j].sqrt()"),
        LOOP.format(factor="(1 - b[j] / (1 - ab[j])) * a[j].sqrt()"),
        LOOP.format(factor="(1 - b[j] / (1 - ab[j])) / a[j]"),
        LOOP.format(factor="(1 - b[j] / (1 - ab[j])) ** 2 / a[j]"),
        LOOP.format(factor="(1 - b[j] / (1 - ab[j]).sqrt()) / a[j].sqrt()"),
        LOOP.format(factor="(1 - b[j]) / a[j].sqrt()"),
        LOOP.format(factor="(1 - b[i] / (1 - ab[i])) / a[i].sqrt()"),
        LOOP.format(factor="(1 - b[j] / (1 - ab[j])) / a[j].sqrt()").replace("(T, i, -1)", "(T - 1, i, -1)"),
        LOOP.format(factor="(1 - b[j] / (1 - ab[j])) / a[j].sqrt()").replace("(T, i, -1)", "(T, i - 1, -1)").replace("b[j] /", "b[max(j, 1)] /").replace("ab[j]", "ab[max(j, 1)]"),
        LOOP.format(factor="(1 - b[j] / (1 - ab[j])) / a[j].sqrt()").replace("(1 - ab[T]).sqrt()", "1.0"),
        LOOP.format(factor="(1 - b[j] / (1 - ab[j])) / a[j].sqrt()").replace("(T, i, -1)", "(500, i, -1)"),
        "(1 - ab[i]) / (1 - ab[T]) * (ab[T] / ab[i]).sqrt()",
        "(1 - ab[i]) / (1 - ab[T]).sqrt() * (ab[i] / ab[T]).sqrt()",
        "(1 - ab[i]) / (1 - ab[T]).sqrt() * ab[T] / ab[i]",
        "0.0", "i / T",
    ],
}  # fmt: skip


globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))


def test_the_unknown_part_of_the_last_noise_is_what_throws_leave():
    schedule, generator = linear_schedule(), torch.Generator().manual_seed(0)
    for i in (2, 10, 250):
        last = schedule.beta[i].sqrt() * torch.randn(400_000, generator=generator).double()
        before = schedule.alpha[i].sqrt() * (1 - schedule.alpha_bar[i - 1]).sqrt()
        total = last + before * torch.randn(400_000, generator=generator).double()
        wrong = last - (last @ total) / (total @ total) * total
        found = descent.right_unknown(i, schedule=schedule).item()
        assert found == pytest.approx(wrong.std().item(), rel=0.01)
    assert descent.right_unknown(1, schedule=schedule) < 1e-8


def test_the_mean_by_a_sprite_is_the_mean_by_its_noise_and_lands_on_it_at_level_1():
    schedule = linear_schedule()
    x0, noise = torch.rand(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for i in (1, 2, 250, 500):
        x = perturb_input(x0, i, noise, schedule=schedule)
        by_noise = denoise_add_noise(x, i, noise, 0, schedule=schedule)
        by_sprite = descent.right_from_sprite(x, i, x0, schedule=schedule)
        assert torch.allclose(by_noise, by_sprite, atol=1e-5)
    x = torch.randn(2, 3, 4, 4)
    assert torch.allclose(descent.right_from_sprite(x, 1, x0, schedule=schedule), x0, atol=1e-5)


def test_the_noise_that_is_left_is_what_the_steps_leave_one_by_one():
    schedule, std = linear_schedule(), (1 - linear_schedule().alpha_bar[500]).sqrt()
    for i in range(500, 0, -1):
        part = schedule.beta[i] / (1 - schedule.alpha_bar[i]).sqrt()
        eps = std / (1 - schedule.alpha_bar[i]).sqrt()  # what there is, in units of what is told
        std = (std - part * eps) / schedule.alpha[i].sqrt()
        found = descent.right_left(i - 1, schedule=schedule).item()
        assert found == pytest.approx(std.item(), abs=1e-9)


def test_the_four_reasons_to_put_noise_back_are_answered_by_what_was_measured():
    replies = {letter: checks.choice("why-put-back", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["d"]
    found = asked_of_training.measure_collapse()
    assert found["without"] < found["with"] - 0.04 and found["without"] < found["no_dice"] - 0.03
    assert abs(found["no_dice"] - found["data"]) < 0.02 and abs(found["with"] - found["data"]) < 0.02
    assert found["off"] < 0.01
    assert abs(found["there"] - found["told"]) < 0.03 and found["left"] < found["told"] / 4


def test_a_sampler_that_puts_the_guess_back_is_told_so_though_its_last_step_is_right():
    def sampler(x, *, nn_model, schedule):
        for i in range(schedule.timesteps, 0, -1):
            eps = nn_model(x, torch.tensor([i / schedule.timesteps])[:, None, None, None])
            x = denoise_add_noise(x, i, eps, eps if i > 1 else 0, schedule=schedule)
        return x

    assert checks.sampler_loop(sampler).mistake == "guess-for-z-but-the-last"


def test_an_answer_that_draws_its_own_noise_is_told_which_noise_it_was_given():
    def step(x, i, noise, *, schedule):
        return perturb_input(x, i, torch.randn_like(x), schedule=schedule)

    result = checks.perturb_input(step)
    assert result.mistake == "draws-its-own-noise" and result.message.endswith("given, noise")

"""The checks on timetables and on the memory of a walk: right answers, mistakes, and others.

The wrong answers of WRONG are in no bank; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import pytest
import torch
from banks import (
    assert_a_stub_is_not_done,
    assert_all_differ,
    assert_four_of_five_are_named,
    assert_named,
    written,
)

from diffutils.schedule import cosine_schedule, linear_schedule
from diffutils.stage.checks import asked_of_training, choices, timetable

EXERCISES = {
    timetable.matching_level: timetable.MATCHING_LEVEL,
    timetable.walk_memory: timetable.WALK_MEMORY,
}
WRONG = {
    timetable.matching_level: [
        "i", "i * there.timesteps // here.timesteps", "there.alpha_bar[i]", "here.alpha_bar[i]",
        "(there.alpha_bar - here.alpha_bar[i]).argmin()", "250", "(there.beta - here.beta[i]).abs().argmin()",
        "(there.alpha_bar - here.alpha_bar[i]).abs().min()", "(there.alpha - here.alpha[i]).abs().argmin()",
        "(there.alpha_bar[i] - here.alpha_bar).abs().argmin()", "(there.alpha_bar - here.alpha_bar[i]).abs()",
        "(there.alpha_bar - here.alpha_bar[i]).abs().argmax()", "(there.alpha_bar - i).abs().argmin()",
        "(here.alpha_bar - here.alpha_bar[i]).abs().argmin()", "there.timesteps - i", "i + 48",
        "(there.alpha_bar - (1 - here.alpha_bar[i])).abs().argmin()", "(there.alpha_bar < here.alpha_bar[i]).sum()",
        "(there.alpha_bar - here.alpha_bar[i].sqrt()).abs().argmin()", "(there.alpha_bar - 125).abs().argmin()",
        "(there.alpha_bar.sqrt() - here.alpha_bar[i]).abs().argmin()", "(there.alpha_bar == here.alpha_bar[i]).nonzero()",
    ],
    timetable.walk_memory: [
        "ab[j] / ab[i]", "((1 - ab[i]) / (1 - ab[j])) ** 0.5", "(1 - ab[i]) / (1 - ab[j])", "(ab[j] / ab[i]) ** 0.5",
        "((1 - ab[j]) / (1 - ab[i]) * ab[j] / ab[i]).sqrt()", "((1 - ab[i]) / (1 - ab[j]) * ab[i] / ab[j]).sqrt()",
        "ab[i].sqrt() * ab[j].sqrt()", "1 - (ab[i] - ab[j])", "(1 - ab[j] / ab[i]).sqrt()", "1 - (j - i) / 500",
        "math.exp(-(j - i) / 100)", "ab[j - i].sqrt()", "ab[j - i]", "0.23", "i / j", "(a[j] / a[i]).sqrt()",
        "(1 - ab[i]) / (1 - ab[j]) * ab[j] / ab[i]", "((1 - ab[i]) / (1 - ab[j])).sqrt() * ab[j] / ab[i]",
        "(1 - ab[i]) / (1 - ab[j]) * (ab[j] / ab[i]).sqrt()", "((1 - ab[i]) * ab[j] / (1 - ab[j])).sqrt()",
        "((1 - ab[i]) * ab[j] / ab[i]).sqrt()", "a[i:j].prod().sqrt()", "(ab[j] / ab[i] / (1 - ab[j])).sqrt()",
        "((1 - ab[i]) * a[i:j].prod() / (1 - ab[j])).sqrt()", "((1 - ab[i]) * ab[j] / ab[i]) / (1 - ab[j]).sqrt()",
        "((1 - a[i]) / (1 - a[j]) * ab[j] / ab[i]).sqrt()", "ab[j].sqrt()",
    ],
}  # fmt: skip
BANK = [(check, mistake) for check, e in EXERCISES.items() for mistake in e.mistakes]


def by_the_signal_to_noise(i, *, here, there):
    """The first level that is at least as noisy, by a plain loop."""
    wanted = here.alpha_bar[i] / (1 - here.alpha_bar[i])
    for level in range(1, there.timesteps + 1):
        if there.alpha_bar[level] / (1 - there.alpha_bar[level]) <= wanted:
            return level if i else 0
    return there.timesteps


def of_many_walks(i, j, schedule, n=40_000):
    """The correlation of the noise at two levels, walked step by step from a black pixel."""
    generator = torch.Generator().manual_seed(5)
    x, seen = torch.zeros(n), {}
    for level in range(1, j + 1):
        z = torch.randn(n, generator=generator)
        x = schedule.alpha[level].sqrt() * x + schedule.beta[level].sqrt() * z
        seen[level] = x
    return torch.corrcoef(torch.stack([seen[i], seen[j]]).double())[0, 1].item()


def test_another_way_to_the_same_level_is_right(capsys):
    result = timetable.matching_level(by_the_signal_to_noise)
    assert result.passed and "level 174 of the cosine one" in result.message
    assert capsys.readouterr().out == result.message + "\n"


def test_a_plain_number_and_a_tensor_are_levels():
    right = timetable.right_level
    assert timetable.matching_level(lambda i, **s: int(right(i, **s))).passed
    assert timetable.matching_level(lambda i, **s: right(i, **s).numpy()).passed


@pytest.mark.parametrize(("i", "j"), [(200, 210), (200, 400), (20, 200), (490, 500)])
def test_walks_remember_as_much_as_the_right_answer_says(i, j):
    schedule = linear_schedule()
    found = of_many_walks(i, j, schedule)
    assert float(timetable.right_memory(i, j, schedule=schedule)) == pytest.approx(found, abs=0.015)


def test_the_right_memory_passes():
    assert timetable.walk_memory(timetable.right_memory).passed


@pytest.mark.parametrize(("check", "mistake"), BANK, ids=lambda part: getattr(part, "name", ""))
def test_each_mistake_is_named_with_finite_numbers(check, mistake):
    assert_named(check, mistake)


@pytest.mark.parametrize("check", EXERCISES)
def test_no_two_mistakes_look_alike(check):
    assert_all_differ(EXERCISES[check])


@pytest.mark.parametrize("check", EXERCISES)
def test_a_stub_is_not_done(check):
    assert_a_stub_is_not_done(check)


def build(check, body):
    signature = "i, *, here, there" if check is timetable.matching_level else "i, j, *, schedule"
    return written(signature, body, math=math)


@pytest.mark.parametrize("check", EXERCISES)
def test_four_of_five_wrong_answers_are_named_and_none_is_right(check):
    assert_four_of_five_are_named(check, {body: build(check, body) for body in WRONG[check]})


def test_a_level_two_places_off_is_wrong():
    result = timetable.matching_level(lambda i, **s: timetable.right_level(i, **s) + 2)
    assert not result.passed


def test_the_half_ways_of_the_lesson_match():
    here, there = linear_schedule(), cosine_schedule(500)
    assert timetable.right_level(184, here=here, there=there) == 248


def test_the_four_reasons_to_jump_are_answered_by_what_was_measured():
    replies = {letter: choices.choice("why-jump", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["c"]
    found = asked_of_training.measure_jump()
    schedule = linear_schedule()
    half, whole = (1 - schedule.alpha_bar[125]), (1 - schedule.alpha_bar[250])
    gone = 100 * half * schedule.alpha_bar[250] / schedule.alpha_bar[125] / whole
    assert found["missing"] == pytest.approx(float(gone), abs=1)
    assert found["together"] < 0.02 and found["squares"] == pytest.approx(1, abs=0.02)
    assert found["sum"] == pytest.approx(0.530 + 0.848, abs=1e-3)
    assert found["walked_low"] == pytest.approx(found["jumped_low"], abs=0.6)
    assert found["walked_high"] == pytest.approx(found["jumped_high"], abs=0.6)

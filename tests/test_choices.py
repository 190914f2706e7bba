"""Questions with four answers: read as people write, each wrong one met by what was measured."""

import re

import pytest
import torch

from diffutils.stage import checks
from diffutils.stage.checks.choices import CHOICES, LETTERS, find

every_choice = pytest.mark.parametrize("asked", CHOICES, ids=lambda asked: asked.name)


def letter_of(asked, name):
    return LETTERS[[answer.name for answer in asked.answers].index(name)]


@every_choice
def test_one_of_four_is_right(asked):
    names = [answer.name for answer in asked.answers]
    assert len(set(names)) == 4 and names.count("right") == 1


def test_the_right_letter_is_not_always_the_same():
    assert len({letter_of(asked, "right") for asked in CHOICES}) > 1


def test_the_right_answer_is_seldom_the_longest():
    longest = [max(asked.answers, key=lambda answer: len(answer.text)).name for asked in CHOICES]
    assert longest.count("right") <= len(CHOICES) / 3


@every_choice
def test_each_wrong_answer_is_named_and_met_with_numbers(asked, capsys):
    for letter, answer in zip(LETTERS, asked.answers, strict=True):
        result = checks.choice(asked.name, letter)
        assert capsys.readouterr().out == result.message + "\n"
        assert result.passed == (answer.name == "right")
        assert result.mistake == (None if result.passed else answer.name)
        assert re.search(r"\d\.?\d*", result.message) and "{" not in result.message
        assert "nan" not in result.message and "inf " not in result.message


@every_choice
def test_a_wrong_answer_does_not_hand_over_the_right_one(asked):
    right = asked.answers[LETTERS.index(letter_of(asked, "right"))]
    for letter, answer in zip(LETTERS, asked.answers, strict=True):
        if answer.name != "right":
            assert right.text not in checks.choice(asked.name, letter).message


@every_choice
@pytest.mark.parametrize("blank", [None, ...])
def test_a_blank_shows_the_question_and_the_four_answers(asked, blank, capsys):
    result = checks.choice(asked.name, blank)
    assert result.mistake == "not-done" and not result.passed
    lines = capsys.readouterr().out.splitlines()
    assert asked.text in lines[0] and len(lines) == 5
    for letter, answer, line in zip(LETTERS, asked.answers, lines[1:], strict=True):
        assert line == f"  {letter}) {answer.text}"


@pytest.mark.parametrize("written", ["d", "D", " d ", "(d)", "d)", "d.", "[d]", "D:"])
def test_a_letter_is_read_as_people_write_it(written):
    assert checks.choice("why-the-fog", written).passed


@pytest.mark.parametrize("written", ["e", "", "dd", "all", 4, 3.0, True, ["d"], "a, d"])
def test_anything_else_is_no_letter(written):
    result = checks.choice("why-the-fog", written)
    assert result.mistake == "type" and repr(written) in result.message


def test_an_unknown_name_lists_the_others():
    with pytest.raises(ValueError, match="name is 'fog'; expected one of why-the-fog"):
        checks.choice("fog", "a")


@every_choice
def test_the_global_random_state_is_left_alone(asked):
    asked.measure.cache_clear()
    before = torch.random.get_rng_state()
    checks.choice(asked.name, "a")
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_experiments_say_what_the_replies_claim():
    fog = find("why-the-fog").measure()
    assert fog["fog"] < 0.75 * fog["favourite"] and fog["fog"] < fog["blind"]
    assert fog["hits"] > 10 * fog["chance"] and fog["alone"] < 1e-6
    pattern = find("normal-and-yet-bob").measure()
    assert pattern["pattern"] > 99.9 and abs(pattern["shuffled"] - 50) < 2
    assert 52 < pattern["corner"] < 62 and 65 < pattern["spread"] < 85
    assert abs(pattern["std"] - (1 - (1 - 411 / 768) * pattern["fade"] ** 2) ** 0.5) < 0.005

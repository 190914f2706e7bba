"""What every check of an exercise has to do with right and wrong answers: one demand a function.

    globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))

makes them the tests of a module.
"""

import pytest
import torch

from diffutils.stage.checks import engine

TABLES = "    ab, a, b, T = schedule.alpha_bar, schedule.alpha, schedule.beta, schedule.timesteps\n"
UNNAMED = {"unknown", "not-done"}


def written(signature, body, **names):
    """A student's function from its body, or from what it returns; `names` are those it may use.

    Where it is given a schedule, ab, a, b and T are its tables.
    """
    lines = body.strip("\n").splitlines()
    if len(lines) == 1 and "return" not in body:
        lines = [f"    return {body.strip()}"]
    tables = TABLES if "schedule" in signature else ""
    text = f"def student({signature}):\n{tables}" + "\n".join(lines) + "\n"
    space = {"torch": torch, **names}
    exec(compile(text, "student", "exec"), space)
    return space["student"]


def assert_named(check, mistake):
    """A known mistake is called by its name, in a message with numbers that were measured."""
    result = check(mistake.function)
    assert result.mistake == mistake.name and not result.passed
    assert "nan" not in result.message and "{" not in result.message
    assert any(letter.isdigit() for letter in result.message)


def assert_all_differ(exercise):
    """No two mistakes of a bank look alike to the exercise's probes, and none looks right."""
    functions = [exercise.right, *(mistake.function for mistake in exercise.mistakes)]
    seen = [engine.run(exercise.observe, function) for function in functions]
    for k, one in enumerate(seen):
        assert not any(engine.same(exercise, one, other) for other in seen[:k])


def assert_a_stub_is_not_done(check):
    assert check(lambda *a, **k: ...).mistake == "not-done"
    assert check(lambda *a, **k: None).mistake == "not-done"


def assert_four_of_five_are_named(check, answers):
    """answers: {what was written: the function}, twenty or more, all of them wrong."""
    assert len(answers) >= 20
    results = {words: check(function) for words, function in answers.items()}
    for words, result in results.items():
        assert not result.passed, words
        assert "{" not in result.message and "is nan" not in result.message
        assert "of nan" not in result.message
    missed = [words for words, result in results.items() if result.mistake in UNNAMED]
    assert len(missed) <= 0.2 * len(results), missed


def bank_tests(exercises, right, wrong, build):
    """{name: test} of the checks of `exercises`, {check: its Exercise}.

    right, wrong   {check: what students write}; of the wrong ones none stands in the bank
    build          from a check and what was written, the student's function
    """
    every_check = pytest.mark.parametrize("check", exercises, ids=lambda check: check.__name__)
    known = [(check, mistake) for check, one in exercises.items() for mistake in one.mistakes]

    @pytest.mark.parametrize(("check", "body"), [(c, b) for c, bs in right.items() for b in bs])
    def test_a_right_answer_in_whatever_way_is_right(check, body, capsys):
        result = check(build(check, body))
        assert result.passed and capsys.readouterr().out == result.message + "\n"

    @pytest.mark.parametrize(("check", "mistake"), known, ids=lambda one: getattr(one, "name", ""))
    def test_each_mistake_is_named_with_finite_numbers(check, mistake):
        assert_named(check, mistake)

    @every_check
    def test_no_two_mistakes_look_alike(check):
        assert len(exercises[check].mistakes) >= 15
        assert_all_differ(exercises[check])

    @every_check
    def test_a_stub_is_not_done(check):
        assert_a_stub_is_not_done(check)

    @every_check
    def test_four_of_five_wrong_answers_are_named_and_none_is_right(check):
        assert_four_of_five_are_named(check, {body: build(check, body) for body in wrong[check]})

    return {name: test for name, test in locals().items() if name.startswith("test_")}

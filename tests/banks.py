"""What every check of an exercise has to do with right and wrong answers: one demand a function."""

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

"""Questions with four answers, three of which are known misunderstandings, each put to the test.

`choice(name, answer)` reads one letter. A wrong answer is met by the experiment that refutes it,
run at the moment of the check; nothing that is said to it tells which answer is right.
To add a question, add a `Choice` to the CHOICES of `asked_of_training`, `asked_of_sampling` or
`asked_of_judging`: its `measure` is run once, and the replies are sentences with blanks for what it
found.
"""

import re

import torch

from diffutils.stage.checks import asked_of_judging, asked_of_sampling, asked_of_training
from diffutils.stage.checks.engine import Result

LETTERS = "abcd"
CHOICES = (*asked_of_training.CHOICES, *asked_of_sampling.CHOICES, *asked_of_judging.CHOICES)


def find(name):
    """The Choice of this name; ValueError names those there are."""
    for choice in CHOICES:
        if choice.name == name:
            return choice
    names = ", ".join(choice.name for choice in CHOICES)
    raise ValueError(f"choice: name is {name!r}; expected one of {names}")


def choice(name, answer=None):
    """The student's answer to a question checked: prints it, returns a Result.

    name     of a question; ValueError names those there are
    answer   a letter, "a" to "d", or None, which shows the question and the four answers
    """
    asked = find(name)
    mistake, message = judge(asked, answer)
    print(message)
    return Result(name, mistake is None, mistake, message)


def judge(asked, answer):
    """(name of the mistake or None, what to print)."""
    if answer is None or answer is ...:
        return "not-done", f"not done yet: {listed(asked)}"
    letter = as_letter(answer)
    if letter is None:
        return "type", f"not right yet: {answer!r} is none of the letters a to d. {listed(asked)}"
    given = asked.answers[LETTERS.index(letter)]
    with torch.random.fork_rng(devices=[]):  # a network that is loaded draws its weights first
        reply = given.reply.format(**asked.measure())
    if given.name == "right":
        return None, f"right: {reply}"
    return given.name, f"not right yet: {letter}) {reply}"


def listed(asked):
    """The question, and its answers a line each."""
    pairs = zip(LETTERS, asked.answers, strict=True)
    return "\n".join([asked.text, *(f"  {letter}) {answer.text}" for letter, answer in pairs)])


def as_letter(answer):
    """The letter as people write it, "B", "(b)", "b)", "b.": or None."""
    written = answer if isinstance(answer, str) else ""
    found = re.fullmatch(r"\s*[(\[]?([a-dA-D])[)\].:]?\s*", written)
    return found.group(1).lower() if found else None

"""Asks a student's function: its answer as a tensor, and what was noticed on the way."""

import numpy
import torch


class Unfinished(Exception):
    """The student's function still has a blank in it."""


class Misuse(Exception):
    """The student's function does something that no answer may do: a name and a sentence."""


NOTES = {}  # what `call` noticed since the check began, by name


def call(function, *arguments, **keywords):
    """The student's answer as a tensor; blanks, odd types and side effects are noticed."""
    handed = [a.clone() if isinstance(a, torch.Tensor) else a for a in arguments]
    answer = function(*handed, **keywords)
    for before, after in zip(arguments, handed, strict=True):
        if isinstance(before, torch.Tensor) and not torch.equal(before, after):
            NOTES["changed-input"] = "it changes the tensor it was given, others may need it"
    if isinstance(answer, numpy.ndarray) and answer.ndim:
        NOTES["numpy"] = "it gives a numpy array, a network wants a tensor"
    return as_tensor(answer)


def as_tensor(answer):
    """Tensors, arrays, numbers and lists of them as a CPU tensor without gradients."""
    if answer is None or answer is ... or answer is NotImplemented:
        raise Unfinished(
            f"returns {'nothing (None)' if answer is None else 'a blank, `...`,'} so far"
        )
    if isinstance(answer, torch.Tensor):
        return answer.detach().cpu()
    if isinstance(answer, (int, float, list, tuple, numpy.ndarray, numpy.generic)):
        try:
            return torch.as_tensor(answer)
        except (TypeError, ValueError, RuntimeError):
            pass
    raise Misuse("type", f"it returns a {type(answer).__name__}; a tensor is expected")

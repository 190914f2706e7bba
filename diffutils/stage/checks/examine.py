"""Examines a wrong answer that no bank holds: what a function of its kind may not do.

An answer that changes from call to call draws noise of its own; one that stays as it is when an
argument changes ignores that argument; one that differs in company depends on the batch. And an
answer can be the right one in disguise: scaled, shifted, one place off, right but for one place.
Each finding is (name, sentence) with the numbers that show it, or None.
"""

import inspect

import torch

from diffutils.schedule import NoiseSchedule
from diffutils.stage.checks.asking import Misuse, Unfinished, call


def first_number(answer):
    return answer.double().flatten()[0].item() if answer.numel() else float("nan")


def own_noise(exercise, one, other):
    """Two different answers to the same question."""
    label = next((k for k in one if k in other and not torch.equal(one[k], other[k])), None)
    shown = ""
    if label and one[label].shape == other[label].shape:
        k = (one[label].double() - other[label].double()).abs().nan_to_num().flatten().argmax()
        a, b = (seen[label].double().flatten()[k].item() for seen in (one, other))
        shown = f"{a:.3f} the first time, {b:.3f} the second ({label}): "
    names = names_of(exercise.right)
    given = [name for name in ("noise", "z", "pred_noise") if name in names]
    wanted = f"; the noise it should use is the one it is given, {given[0]}" if given else ""
    text = f"{shown}asked twice the same, it answers differently, so it draws numbers of its own"
    return "draws-its-own-noise", text + wanted


def names_of(function):
    return list(inspect.signature(function).parameters)


def examine(exercise, function, yours, right):
    """Ignored arguments and dependence on the batch, or None."""
    if not all(answer.double().isfinite().all() for answer in yours.values()):
        return None
    return ignored(exercise, function, yours, right) or (
        in_company(exercise, function) if exercise.batched else None
    )


def ignored(exercise, function, yours, right):
    """An argument that the right answer listens to and this one does not."""
    arguments = exercise.probes()[0][1]
    for place, name in enumerate(names_of(exercise.right)):
        key = place if place < len(arguments) else name
        heard, heard_right = (listens(exercise, f, key) for f in (function, exercise.right))
        if heard is not None and not any(heard) and any(heard_right or []):
            label = list(right)[-1]
            text = f"{first_number(yours[label]):.4g} stays {first_number(yours[label]):.4g} "
            return f"ignores-{name}", text + f"({label}) whatever {name} is: it has no say so far"
    return None


def listens(exercise, function, key):
    """For each probe whether another value of one argument changes the answer."""
    heard = []
    for _, arguments, keywords in exercise.probes():
        before, after = answer(function, arguments, keywords), None
        for other in others(arguments[key] if isinstance(key, int) else keywords.get(key)):
            if isinstance(key, int):
                after = answer(function, (*arguments[:key], other, *arguments[key + 1 :]), keywords)
            else:
                after = answer(function, arguments, {**keywords, key: other})
            if after is not None:
                break
        if before is not None and after is not None:
            heard.append(before.shape != after.shape or not torch.equal(before, after))
    return heard or None


def answer(function, arguments, keywords):
    """The answer as a tensor, or None where the function stops."""
    try:
        return call(function, *arguments, **keywords).double().nan_to_num()
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError, Misuse, Unfinished):
        return None


def others(value):
    """Other values of the same kind, to see whether it matters."""
    if isinstance(value, torch.Tensor):
        return [0.7 * value + 0.1 * torch.linspace(0, 1, value.numel()).reshape(value.shape)]
    if isinstance(value, int):
        return [value - 1, value + 1]
    if isinstance(value, float):
        return [0.9 * value]
    if isinstance(value, NoiseSchedule):
        return [NoiseSchedule(value.beta[1:] * 0.9)]
    return []


def in_company(exercise, function):
    """A picture that comes out differently alone and beside another."""
    for label, arguments, keywords in exercise.probes():
        count = len(arguments[0])
        alone = tuple(a[:1] if isinstance(a, torch.Tensor) and a.ndim else a for a in arguments)
        one, both = answer(function, alone, keywords), answer(function, arguments, keywords)
        if count < 2 or one is None or both is None or one.shape[1:] != both.shape[1:]:
            continue
        if len(both) == count and not torch.allclose(one[0], both[0], rtol=1e-4, atol=1e-5):
            k = (one[0] - both[0]).abs().argmax()
            a, b = one[0].flatten()[k].item(), both[0].flatten()[k].item()
            text = f"{a:.3f} alone, {b:.3f} in a batch of {count} ({label}): a picture's numbers"
            return "depends-on-the-batch", f"{text} depend on its neighbours, they should not"
    return None


def relation(exercise, yours, right):
    """The right answer in disguise, or None."""
    if yours.keys() != right.keys():
        return None
    squeezed = {k: v.reshape(right[k].shape) for k, v in yours.items() if fits(v, right[k])}
    if len(squeezed) == len(right) and any(yours[k].shape != right[k].shape for k in right):
        pairs = ((squeezed[k].double(), right[k].double()) for k in right)
        if all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in pairs):
            k = next(k for k in right if yours[k].shape != right[k].shape)
            shapes = f"{tuple(yours[k].shape)} where {tuple(right[k].shape)} is expected"
            return "shape", f"shape {shapes} ({k}): the numbers themselves are right"
    if exercise.probes is None or any(yours[k].shape != right[k].shape for k in right):
        return None
    one, other = (torch.cat([v[k].double().flatten() for k in right]) for v in (yours, right))
    return disguise(yours, right, one, other) if one.isfinite().all() else None


def fits(one, other):
    return one.numel() == other.numel()


def disguise(yours, right, one, other):
    """Scaled, shifted, squared, one place off, or wrong in one place alone."""
    whole, digit = other.abs().max().clamp(min=1e-12), 1e-5
    ratio = (one @ other / (other @ other).clamp(min=1e-300)).item()
    offset = (one - other).mean().item()

    def equal(a, b):
        return len(a) and ((a - b).abs().max() <= digit * whole).item()

    if abs(ratio) > 1e-6 and len(one) > 1 and equal(one / ratio, other):
        return "scaled", f"{ratio:.4g} times what it should be, everything that it gives"
    if equal(one - offset, other):
        return "shifted", f"{offset:+.4g} too much in everything that it gives"
    if equal(one, other.clamp(-1, 1)):
        return "clipped", f"{size_text(one, other)}: everything beyond -1 and 1 is cut off"
    if equal(one, other.round()) or equal(one, other.trunc()):
        return "whole-numbers", f"{size_text(one, other)}: what stands behind the point is lost"
    if equal(one, other.abs().sqrt()):
        return "root", f"{size_text(one, other)}: yours is the square root of what is asked for"
    if equal(one, other**2):
        return "square", f"{size_text(one, other)}: yours is the square of what is asked for"
    if equal(one, 1 - other):
        return "complement", f"{size_text(one, other)}: yours is what is missing from it to 1"
    if equal(one * other, torch.ones_like(other)):
        return "inverse", f"{size_text(one, other)}: yours is 1 over what is asked for"
    return places(yours, right, equal)


def size_text(one, other):
    k = (one - other).abs().argmax()
    return f"{one[k].item():.4g} where {other[k].item():.4g} is right"


def places(yours, right, equal):
    """Of lists of numbers: shifted by a place, reversed, or wrong at one place alone."""
    lists = [(yours[k].double(), right[k].double()) for k in right]
    if any(b.ndim != 1 or len(b) < 4 for _, b in lists):
        return None
    a, b = lists[0]
    if all(equal(a[1:-1], b[:-2]) for a, b in lists):
        return "one-place-late", f"{a[2].item():.4g} stands at 2, it belongs to 1: one place late"
    if all(equal(a[1:-1], b[2:]) for a, b in lists):
        return "one-place-early", f"{a[1].item():.4g} stands at 1, it belongs to 2: one place early"
    if all(equal(a.flip(0), b) for a, b in lists):
        return "backwards", f"{a[0].item():.4g} comes first, it belongs last: all is in reverse"
    bad = [[k for k in range(len(b)) if not equal(a[k : k + 1], b[k : k + 1])] for a, b in lists]
    if all(len(k) == 1 for k in bad):
        k = bad[0][0]
        text = f"{a[k].item():.4g} at {k} where {b[k].item():.4g} is right"
        return "one-place-wrong", f"{text}: all the others are right"
    return None

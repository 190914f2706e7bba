"""Argument checks: what came, what was expected, which argument, before any work is done.

Each raises TypeError for a wrong kind of thing and ValueError for a wrong value, with a message
that starts with the name of the function that was called.
"""

import math
from numbers import Integral, Real

import torch


def check_kind(where, name, value, kind):
    """`value` is an instance of `kind`."""
    if not isinstance(value, kind):
        raise TypeError(f"{where}: {name} is a {type(value).__name__}; expected a {kind.__name__}")


def check_callable(where, name, value):
    """`value` can be called like a network, nn_model(x, t, c=None)."""
    if not callable(value):
        raise TypeError(
            f"{where}: {name} is a {type(value).__name__}; expected a network, {name}(x, t, c=None)"
        )


def check_count(where, name, value, lowest=1):
    """`value` is an integer >= lowest."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{where}: {name} is {value!r}; expected an integer >= {lowest}")
    if value < lowest:
        raise ValueError(f"{where}: {name} is {value}; expected an integer >= {lowest}")


def check_number(where, name, value):
    """`value` is a finite real number."""
    if not isinstance(value, Real):
        raise TypeError(f"{where}: {name} is a {type(value).__name__}; expected a number")
    if not math.isfinite(value):
        raise ValueError(f"{where}: {name} is {value}; expected a finite number")


def check_images(where, name, x):
    """`x` is a floating-point tensor (B, C, H, W)."""
    check_kind(where, name, x, torch.Tensor)
    if not x.is_floating_point():
        raise TypeError(f"{where}: {name} holds {x.dtype}; expected floats in [-1, 1]")
    if x.ndim != 4:
        raise ValueError(f"{where}: {name} has shape {tuple(x.shape)}; expected (B, C, H, W)")


def check_like(where, name, value, other_name, other):
    """`value` is a tensor of the shape of `other`."""
    check_kind(where, name, value, torch.Tensor)
    if value.shape != other.shape:
        raise ValueError(
            f"{where}: {name} has shape {tuple(value.shape)}; "
            f"expected {tuple(other.shape)}, the shape of {other_name}"
        )


def check_levels(where, name, i, x, timesteps, lowest=0):
    """Levels in lowest..timesteps, as a CPU tensor: () for one integer, (B,) for one an image."""
    if isinstance(i, bool) or not isinstance(i, (Integral, torch.Tensor)):
        raise TypeError(f"{where}: {name} is {i!r}; expected an integer level or a tensor of them")
    i = torch.as_tensor(i).cpu()
    if i.is_floating_point() or i.is_complex() or i.dtype == torch.bool:
        raise TypeError(f"{where}: {name} holds {i.dtype}; expected integer levels")
    if i.ndim > 1 or (i.ndim == 1 and len(i) != len(x)):
        raise ValueError(
            f"{where}: {name} has shape {tuple(i.shape)}; expected one level, or ({len(x)},)"
        )
    wrong = i[(i < lowest) | (i > timesteps)]
    if len(wrong.flatten()):
        raise ValueError(
            f"{where}: {name} has level {int(wrong.flatten()[0])}; "
            f"this schedule has levels {lowest}..{timesteps} here"
        )
    return i.long()


def check_network_input(where, x, t, c, n_context):
    """t as (B or 1,) and c as (B or 1, n_context) for images x a U-Net can take; c may be None."""
    check_images(where, "x", x)
    if x.shape[1] != 3 or x.shape[2] % 8 or x.shape[3] % 8 or 0 in x.shape:
        raise ValueError(
            f"{where}: x has shape {tuple(x.shape)}; expected (B, 3, H, W) with H and W multiples "
            "of 8, such as 8, 16, 24 or 32"
        )
    t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
    if t.numel() not in (1, len(x)) or t.shape[:1].numel() != t.numel():
        raise ValueError(
            f"{where}: t has shape {tuple(t.shape)}; expected ({len(x)},) or one number"
        )
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(
            f"{where}: t reaches from {t.min():.4g} to {t.max():.4g}; "
            "expected level / timesteps, in [0, 1]"
        )
    c = x.new_zeros(1, n_context) if c is None else c
    check_kind(where, "c", c, torch.Tensor)
    if not c.is_floating_point():
        raise TypeError(f"{where}: c is {c.dtype}; expected floating-point contexts")
    if c.ndim != 2 or len(c) not in (1, len(x)) or c.shape[1] != n_context:
        raise ValueError(
            f"{where}: c has shape {tuple(c.shape)}; expected ({len(x)}, {n_context})"
        )
    return t.flatten(), c.to(x)

"""Argument checks: what came, what was expected, which argument, before any work is done.

Each raises TypeError for a wrong kind of thing and ValueError for a wrong value, with a message
that starts with the name of the function that was called.
"""

import math
import os
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from reprlib import repr as short

import numpy as np
import torch

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
MOST_NUMBERS = 2**30  # in one tensor or array: 4 GB of float32


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


def check_choice(where, name, value, choices):
    """`value` is one of the texts `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{where}: {name} is {short(value)}; expected one of {tuple(choices)}")


def check_count(where, name, value, lowest=1, highest=None):
    """`value` is an integer in lowest..highest."""
    most = f" and <= {highest}" if highest is not None else ""
    expected = f"expected an integer >= {lowest}{most}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{where}: {name} is {short(value)}; {expected}")
    if value < lowest or highest is not None and value > highest:
        raise ValueError(f"{where}: {name} is {short(value)}; {expected}")


def check_number(where, name, value, lowest=-math.inf, highest=math.inf):
    """`value` is a finite real number in lowest..highest."""
    if not isinstance(value, Real):
        raise TypeError(f"{where}: {name} is a {type(value).__name__}; expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{where}: {name} is {short(value)}; expected a finite number")
    if not lowest <= number <= highest:
        raise ValueError(
            f"{where}: {name} is {short(value)}; expected a number in {lowest:g}..{highest:g}"
        )


def check_text(where, name, value):
    """`value` is a text, or None for none."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{where}: {name} is a {type(value).__name__}; expected a text")


def check_path(where, name, value):
    """`value` names a file."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{where}: {name} is a {type(value).__name__}; expected a path")


def check_list(where, name, value):
    """`value` is a list of some kind, not a text or a tensor."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TypeError(f"{where}: {name} is a {type(value).__name__}; expected a list")


def check_numbers(where, name, value):
    """`value` as a float64 array: from a tensor, an array, or lists of real numbers."""
    array = as_array(where, name, value, MOST_NUMBERS // 8)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{where}: {name} is {short(value)}; expected real numbers")
    return array.astype(np.float64)


def as_array(where, name, value, most=MOST_NUMBERS):
    """`value` as an array: from a tensor, an array or lists, of a size that can be worked on."""
    if isinstance(value, torch.Tensor):
        check_present(where, name, value)
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{where}: {name} is {short(value)}; expected an array") from error
    if array.size > most:
        raise ValueError(
            f"{where}: {name} has shape {array.shape}; expected at most {most} numbers"
        )
    return array


def check_present(where, name, value):
    """The tensor `value` has its numbers in memory, and not too many of them."""
    if value.is_meta or value.layout != torch.strided:
        raise TypeError(
            f"{where}: {name} is a {value.layout} tensor on the device {value.device}; "
            "expected a dense one with numbers in it"
        )
    if value.numel() > MOST_NUMBERS:
        raise ValueError(
            f"{where}: {name} has shape {tuple(value.shape)}; expected at most {MOST_NUMBERS} "
            "numbers"
        )


def check_floats(where, name, value, expected="floats"):
    """`value` is a tensor of floating-point numbers."""
    check_kind(where, name, value, torch.Tensor)
    if value.dtype not in FLOATS:
        raise TypeError(f"{where}: {name} holds {value.dtype}; expected {expected}")
    check_present(where, name, value)


def check_finite(where, name, value):
    """The numbers of the tensor `value` are finite."""
    if (0 * value.detach()).sum() != 0:  # 0 times nan or infinity is nan; fast, and any size goes
        raise ValueError(
            f"{where}: {name} holds numbers that are not finite; expected neither nan nor infinity"
        )


def check_images(where, name, x):
    """`x` is a floating-point tensor (B, C, H, W) of finite numbers; B may be 0."""
    check_floats(where, name, x, "floats in [-1, 1]")
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ValueError(f"{where}: {name} has shape {tuple(x.shape)}; expected (B, C, H, W)")
    check_finite(where, name, x)


def check_like(where, name, value, other_name, other):
    """`value` is a tensor of the shape, dtype and device of `other`, of finite numbers."""
    check_kind(where, name, value, torch.Tensor)
    if value.shape != other.shape:
        raise ValueError(
            f"{where}: {name} has shape {tuple(value.shape)}; "
            f"expected {tuple(other.shape)}, the shape of {other_name}"
        )
    check_same_place(where, name, value, other_name, other)
    check_floats(where, name, value)
    check_finite(where, name, value)


def check_same_place(where, name, value, other_name, other):
    """`value` is a tensor of the dtype and on the device of `other`."""
    if (value.dtype, value.device) != (other.dtype, other.device):
        raise TypeError(
            f"{where}: {name} is {value.dtype} on {value.device}; "
            f"expected {other.dtype} on {other.device}, as {other_name}"
        )


def check_device(where, device):
    """`device` as a torch.device that can be computed on."""
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ValueError(
            f"{where}: device is {short(device)}; expected one that this machine has"
        ) from error
    if device.type == "meta":
        raise ValueError(f"{where}: device is meta, which holds no numbers; expected another")
    return device


def check_levels(where, name, i, x, timesteps, lowest=0):
    """Levels in lowest..timesteps, as a CPU tensor: () for one integer, (B,) for one an image."""
    expected = f"this schedule has levels {lowest}..{timesteps} here"
    if isinstance(i, bool) or not isinstance(i, (Integral, torch.Tensor)):
        raise TypeError(
            f"{where}: {name} is {short(i)}; expected an integer level or a tensor of them"
        )
    if isinstance(i, Integral):
        if not lowest <= i <= timesteps:
            raise ValueError(f"{where}: {name} has level {short(i)}; {expected}")
        return torch.tensor(int(i))
    if i.is_floating_point() or i.is_complex() or i.dtype == torch.bool:
        raise TypeError(f"{where}: {name} holds {i.dtype}; expected integer levels")
    if i.ndim > 1 or (i.ndim == 1 and len(i) != len(x)):
        raise ValueError(
            f"{where}: {name} has shape {tuple(i.shape)}; "
            f"expected one level, or ({len(x)},), one for each of x"
        )
    check_present(where, name, i)
    i = i.cpu().long()  # first: 501 is no number that a uint8 can be compared with
    wrong = i[(i < lowest) | (i > timesteps)].flatten()
    if len(wrong):
        raise ValueError(f"{where}: {name} has level {int(wrong[0])}; {expected}")
    return i


def check_times(where, t, x):
    """`t`, level / timesteps in [0, 1], as floats (B,), or (1,) for one number."""
    if isinstance(t, Real):
        check_number(where, "t", t)
        t = torch.tensor([float(t)], dtype=torch.float64)
    check_floats(where, "t", t, "floats, level / timesteps")
    if t.numel() not in (1, len(x)) or t.shape[:1].numel() != t.numel():
        raise ValueError(
            f"{where}: t has shape {tuple(t.shape)}; "
            f"expected one number, or ({len(x)},), one for each of x"
        )
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(
            f"{where}: t reaches from {t.min():.4g} to {t.max():.4g}; "
            "expected level / timesteps, in [0, 1]"
        )
    return t.flatten()


def check_network_input(where, x, t, c, n_context, weight):
    """t as (B or 1,) and c as (B or 1, n_context) for images x a U-Net can take; c may be None.

    x has the dtype and device of `weight`, one of the network's; t and c are brought there.
    """
    check_images(where, "x", x)
    if x.shape[1] != 3 or x.shape[2] % 8 or x.shape[3] % 8 or 0 in x.shape:
        raise ValueError(
            f"{where}: x has shape {tuple(x.shape)}; expected (B, 3, H, W) with H and W multiples "
            "of 8, such as 8, 16, 24 or 32"
        )
    if weight.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{where}: the network's weights are {weight.dtype}; expected float32: "
                        "nn_model.float(), under torch.autocast to multiply in half precision")
    if (x.dtype, x.device) != (weight.dtype, weight.device):
        raise TypeError(f"{where}: the network's weights are {weight.dtype} on {weight.device}, "
                        f"but x is {x.dtype} on {x.device}; expected both alike")
    t = check_times(where, t, x).to(x.dtype).to(x.device)
    c = x.new_zeros(1, n_context) if c is None else c
    check_kind(where, "c", c, torch.Tensor)
    if not c.is_floating_point():
        raise TypeError(f"{where}: c is {c.dtype}; expected floating-point contexts")
    if c.ndim != 2 or len(c) not in (1, len(x)) or c.shape[1] != n_context:
        raise ValueError(
            f"{where}: c has shape {tuple(c.shape)}; expected ({len(x)}, {n_context}), "
            "a row for each of x"
        )
    check_floats(where, "c", c)
    check_finite(where, "c", c)
    return t, c.to(x)


def check_network_sizes(where, n_context, channels, hidden):
    """What a U-Net is built of: sizes that a laptop can hold, channels in whole groups of 8."""
    check_count(where, "n_context", n_context, highest=512)
    check_count(where, "channels", channels, lowest=8, highest=512)
    if channels % 8:
        raise ValueError(f"{where}: channels is {channels}; expected a multiple of 8")
    check_count(where, "hidden", hidden, highest=2048)


def check_budget(where, steps, seconds):
    """A run's budget: at least one step, more than no time; None is none."""
    if steps is not None:
        check_count(where, "steps", steps)
    if seconds is not None:
        check_number(where, "seconds", seconds)
        if seconds <= 0:
            raise ValueError(f"{where}: seconds is {seconds}; expected more than 0")


def check_surroundings(where, checkpoint, accelerator, batch_size):
    """A path or None; an accelerator with a sprite or more for each process, or None."""
    if checkpoint is not None:
        check_path(where, "checkpoint", checkpoint)
    if accelerator is None:
        return
    if not hasattr(accelerator, "prepare"):
        raise TypeError(f"{where}: accelerator is a {type(accelerator).__name__}; "
                        "expected accelerate.Accelerator")
    if batch_size < accelerator.num_processes:
        raise ValueError(f"{where}: batch_size is {batch_size} for {accelerator.num_processes} "
                         "processes; expected at least one sprite for each")
    if accelerator.gradient_accumulation_steps != 1 or accelerator.mixed_precision == "fp16":
        raise ValueError(
            f"{where}: accelerator gathers {accelerator.gradient_accumulation_steps} steps in "
            f"{accelerator.mixed_precision}; expected 1 in 'no' or 'bf16'")


def place_of(where, nn_model):
    """The device and the dtype of the network's weights, float32 or float64."""
    for parameter in nn_model.parameters():
        if parameter.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"{where}: nn_model holds {parameter.dtype}; expected torch.float32: "
                            "nn_model.float(), and bfloat16=True to multiply in half precision")
        return parameter.device, parameter.dtype
    raise ValueError(f"{where}: nn_model has no parameters to train")


def check_data(where, x0, contexts, n_context):
    """Sprites (N, 3, H, W) to learn from, float32 in [-1, 1], a row of contexts each or none."""
    check_images(where, "x0", x0)
    if len(x0) == 0 or x0.shape[1] != 3:
        raise ValueError(f"{where}: x0 has shape {tuple(x0.shape)}; expected (N, 3, H, W), N >= 1")
    if x0.dtype != torch.float32:
        raise TypeError(f"{where}: x0 is {x0.dtype}; expected float32")
    if not (x0.abs() <= 1).all():
        raise ValueError(f"{where}: x0 reaches from {x0.min():.4g} to {x0.max():.4g}; "
                         "expected [-1, 1]")
    if x0.min() >= 0 and x0.max() > 0.5:
        warnings.warn(f"{where}: x0 reaches from {x0.min():.4g} to {x0.max():.4g}, as pictures in "
                      "[0, 1] do; expected [-1, 1], black at -1: give x0 * 2 - 1", stacklevel=5)
    if contexts is not None:
        check_kind(where, "contexts", contexts, torch.Tensor)
        if not contexts.is_floating_point():
            raise TypeError(f"{where}: contexts is {contexts.dtype}; expected floating point")
        wrong = n_context is not None and contexts.shape[1:] != (n_context,)
        if contexts.ndim != 2 or len(contexts) != len(x0) or 0 in contexts.shape or wrong:
            raise ValueError(f"{where}: contexts has shape {tuple(contexts.shape)}; expected "
                             f"({len(x0)}, {n_context or 'n_context'}), a row for each of x0")
        check_floats(where, "contexts", contexts)
        check_finite(where, "contexts", contexts)


WRAPPERS = {"DataParallel": "module", "DistributedDataParallel": "module",
            "AveragedModel": "module", "OptimizedModule": "_orig_mod"}


def unwrap(nn_model, compiled=True):
    """The network itself, out of torch's wrappers; with compiled=False a compiled one stays so."""
    kinds = {kind: inside for kind, inside in WRAPPERS.items() if compiled or inside == "module"}
    while (inside := kinds.get(type(nn_model).__name__)) and hasattr(nn_model, inside):
        nn_model = getattr(nn_model, inside)
    return nn_model


def check_mixture(where, c, count, n_context):
    """Weights of classes, (count or 1, n_context) at least 0, as shares: rows that add up to 1."""
    check_kind(where, "c", c, torch.Tensor)
    check_floats(where, "c", c)
    check_finite(where, "c", c)
    if c.ndim != 2 or len(c) not in (1, count) or c.shape[1] != n_context:
        raise ValueError(f"{where}: c has shape {tuple(c.shape)}; expected ({count}, {n_context}) "
                         f"or (1, {n_context}), a weight for each class")
    c = c.detach().double().cpu()
    wrong = c[(c < 0).any(1) | (c.sum(1) <= 0)]
    if len(wrong):
        raise ValueError(f"{where}: c has the row {short(wrong[0].tolist())}; expected weights of "
                         "classes, at least 0 and not all 0, or c=None for all sprites")
    return c / c.sum(1, keepdim=True)

"""Adding noise to sprites in one jump, and taking known noise out again.

Two inverse functions on images (B, C, H, W) and integer levels 0..T. The noise is always of unit
standard deviation; the schedule says how much of it goes in. DDPM, arXiv 2006.11239, eq. 4.
Nothing here is random: the noise is an argument.
"""

from diffutils.expect import check_images, check_kind, check_levels, check_like
from diffutils.schedule import NoiseSchedule


def perturb_input(x, i, noise, *, schedule):
    """The sprite at level i: sqrt(alpha_bar) times the sprite plus sqrt(1 - alpha_bar) times noise.

    x         (B, C, H, W) clean images in [-1, 1]
    i         level, an integer 0..T, or (B,) integers, one an image
    noise     like x, drawn from N(0, 1): unit std
    returns   like x; at level 0 exactly x
    Raises ValueError or TypeError naming the argument where a type, a shape or a level is wrong.
    """
    i = check_arguments("perturb_input", "x", x, i, "noise", noise, schedule)
    alpha_bar = schedule.alpha_bar[i]
    return spread(alpha_bar.sqrt(), x) * x + spread((1 - alpha_bar).sqrt(), x) * noise


def predict_x0(x_t, i, noise, *, schedule):
    """The sprite that x_t came from if `noise` is the noise in it: `perturb_input` undone.

    x_t       (B, C, H, W) noisy images
    i         level, an integer 0..T, or (B,) integers, one an image
    noise     like x_t, unit std: the true noise, or a network's guess of it
    returns   like x_t; at level 0 exactly x_t
    Raises as `perturb_input`, and ValueError at a level without signal (alpha_bar = 0).
    """
    i = check_arguments("predict_x0", "x_t", x_t, i, "noise", noise, schedule)
    alpha_bar = schedule.alpha_bar[i]
    check_signal("predict_x0", i, schedule, x_t)
    return (x_t - spread((1 - alpha_bar).sqrt(), x_t) * noise) / spread(alpha_bar.sqrt(), x_t)


def noise_in(x_t, i, x0, *, schedule):
    """The unit noise in x_t at level i, 1..T, if x0 is the sprite in it: `predict_x0` turned round.

    Unchecked, for arguments that were checked before; like x_t.
    """
    alpha_bar = schedule.alpha_bar[i]
    return (x_t - spread(alpha_bar.sqrt(), x_t) * x0) / spread((1 - alpha_bar).sqrt(), x_t)


def spread(values, x):
    """One number, (), or one an image, (B,), shaped to multiply images: (1 or B, 1, 1, 1)."""
    return values.to(device=x.device, dtype=x.dtype).reshape(-1, 1, 1, 1)


def check_signal(where, i, schedule, x):
    """ValueError naming the first of the levels i, () or (B,), that x cannot have a sprite in."""
    empty = i[spread(schedule.alpha_bar[i].sqrt(), x).cpu().reshape(i.shape) == 0].flatten()
    if len(empty):
        raise ValueError(
            f"{where}: i names level {int(empty[0])}, which has no signal (alpha_bar = 0), so that "
            "its noise tells nothing of the sprite; expected levels below it, or another schedule, "
            "such as linear_schedule()"
        )


def check_arguments(where, name, x, i, noise_name, noise, schedule, lowest=0):
    """The arguments of a step checked; returns the levels as a tensor, () or (B,)."""
    check_kind(where, "schedule", schedule, NoiseSchedule)
    check_images(where, name, x)
    check_like(where, noise_name, noise, name, x)
    return check_levels(where, "i", i, x, schedule.timesteps, lowest)

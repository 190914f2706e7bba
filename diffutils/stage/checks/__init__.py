"""Exercises checked at once, the mistake named; and the ledger of the student's predictions.

A lesson calls a check right under the student's stub. It prints one line, returns a `Result` with
`passed`, `mistake` and `message`, never raises, and leaves the global random state alone: a stub
that is not done does not stop the notebook. `result.require()` is for the tests of solutions.

    result = checks.perturb_input(my_perturb_input)

The right answers are the library's; each exercise's known mistakes are beside it in `levels`,
`steps`, `shares`, `mixing`, `windows`, `contexts`, `loops`, `losses`, `rates` and `numbers`.
"""

from diffutils.stage.checks.choices import choice
from diffutils.stage.checks.contexts import CONTEXT_DROPOUT, GUIDANCE, GUIDANCE_AS_PAPER
from diffutils.stage.checks.engine import Result, check
from diffutils.stage.checks.levels import ALPHA_BAR, BETA_SCHEDULE, PERTURB_INPUT, PREDICT_X0
from diffutils.stage.checks.loops import SAMPLER_LOOP
from diffutils.stage.checks.losses import TRAINING_LOSS
from diffutils.stage.checks.mixing import MIXING_DESK
from diffutils.stage.checks.needs import scale_for
from diffutils.stage.checks.numbers import number, question
from diffutils.stage.checks.predictions import ledger, predict, reveal
from diffutils.stage.checks.rates import RATE_PLAN
from diffutils.stage.checks.shares import EFFECTIVE_NUMBER, POSTERIOR_SHARES
from diffutils.stage.checks.steps import DDIM_LEVELS, DDIM_STEP
from diffutils.stage.checks.windows import either_edge

__all__ = [
    "Result",
    "alpha_bar",
    "beta_schedule",
    "choice",
    "context_dropout",
    "ddim_levels",
    "ddim_step",
    "effective_number",
    "either_edge",
    "guidance",
    "ledger",
    "mixing_desk",
    "number",
    "perturb_input",
    "posterior_shares",
    "predict",
    "predict_x0",
    "question",
    "rate_plan",
    "reveal",
    "sampler_loop",
    "scale_for",
    "training_loss",
]


def beta_schedule(function):
    """function(timesteps, beta_start, beta_end): the variances of levels 0..T, (T + 1,)."""
    return check(BETA_SCHEDULE, function)


def alpha_bar(function):
    """function(beta): the share of the variance still signal at each level, (T + 1,) both."""
    return check(ALPHA_BAR, function)


def perturb_input(function):
    """function(x, i, noise, *, schedule): clean images noised to the integer level i."""
    return check(PERTURB_INPUT, function)


def predict_x0(function):
    """function(x_t, i, noise, *, schedule): the clean images, the noise known."""
    return check(PREDICT_X0, function)


def posterior_shares(function):
    """function(x_t, x0, alpha_bar): how likely each of N sprites is behind one noisy picture.

    The function gets x_t (3, H, W), x0 (N, 3, H, W), alpha_bar a number; it returns (N,).
    """
    return check(POSTERIOR_SHARES, function)


def effective_number(function):
    """function(shares): how many sprites are still in the running; shares (N,), sum 1."""
    return check(EFFECTIVE_NUMBER, function)


def mixing_desk(function):
    """function(h, scale, shift): a map turned up by the part `scale` and raised by `shift`."""
    return check(MIXING_DESK, function)


def training_loss(function):
    """function(x0, *, nn_model, schedule): the loss of one training step, one number."""
    return check(TRAINING_LOSS, function)


def rate_plan(function):
    """function(step, steps): the share of the highest learning rate at a step, from 0 on."""
    return check(RATE_PLAN, function)


def sampler_loop(function):
    """function(x, *, nn_model, schedule): from pure noise x at level T to samples at level 0."""
    return check(SAMPLER_LOOP, function)


def context_dropout(function):
    """function(c, probability): like c (B, n_context), whole contexts set to 0 at random."""
    return check(CONTEXT_DROPOUT, function)


def guidance(function, *, convention="scale"):
    """function(eps_with, eps_without, w): the guided guess of the noise.

    convention   "scale": w = 0 ignores the context, 1 is the conditional model;
                 "paper": w = 0 is the conditional model (arXiv 2207.12598, eq. 6)
    Raises ValueError for any other convention.
    """
    exercises = {"scale": GUIDANCE, "paper": GUIDANCE_AS_PAPER}
    if convention not in exercises:
        raise ValueError(f"guidance: convention is {convention!r}; expected 'scale' or 'paper'")
    return check(exercises[convention], function)


def ddim_step(function):
    """function(x, i, i_prev, pred_noise, *, schedule): one DDIM step, without noise."""
    return check(DDIM_STEP, function)


def ddim_levels(function):
    """function(n, timesteps): the n + 1 levels that n steps visit, timesteps first, 0 last."""
    return check(DDIM_LEVELS, function)

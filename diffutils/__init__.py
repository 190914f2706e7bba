"""diffutils: how diffusion models work, on 16x16 sprites.

The functions that the lessons use, in the course's names. Importing this loads torch and numpy
only; plotting, widgets and lesson set-up live in submodules (`diffutils.figures`, `.player`,
`.widgets`, `.checks`, `.lesson`) and load what they need when they are imported.
"""

import os

# Threads that wait for each other sleep. Beside other busy programs, spinning ones make torch tens
# of times slower. It must be said before torch is loaded; a value already set is respected.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from diffutils.interrupts import interrupts_held

with interrupts_held():
    import torch  # noqa: F401

from diffutils.ideal import IdealDenoiser
from diffutils.noising import perturb_input, predict_x0
from diffutils.sampling import (
    Trajectory,
    denoise_add_noise,
    denoise_ddim,
    guess_noise,
    sample_ddim,
    sample_ddpm,
)
from diffutils.schedule import (
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
    rescale_zero_terminal_snr,
)

__all__ = [
    "IdealDenoiser",
    "NoiseSchedule",
    "Trajectory",
    "cosine_schedule",
    "denoise_add_noise",
    "denoise_ddim",
    "guess_noise",
    "linear_schedule",
    "perturb_input",
    "predict_x0",
    "rescale_zero_terminal_snr",
    "sample_ddim",
    "sample_ddpm",
]

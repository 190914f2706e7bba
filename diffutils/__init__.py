"""diffutils: how diffusion models work, on 16x16 sprites.

The subject's functions and networks, in the course's names. Importing this loads torch, numpy and
safetensors only; what teaches with them (figures, players, widgets, checks, lesson set-up) lives in
`diffutils.stage` and loads what it needs when it is imported.
"""

import os

# Threads that wait for each other spin for some microseconds, then sleep. Spinning for longer makes
# torch tens of times slower beside other busy programs; sleeping at once costs a third of its speed
# on an idle machine. It must be said before torch is loaded; a policy already set is respected.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from diffutils.interrupts import interrupts_held
from diffutils.memory import keep_freed

keep_freed()

with interrupts_held():
    import torch  # noqa: F401

from diffutils.descent import Trajectory, guess_noise
from diffutils.ideal import IdealDenoiser
from diffutils.noising import perturb_input, predict_x0
from diffutils.sampling import (
    denoise_add_noise,
    denoise_ddim,
    sample_ddim,
    sample_ddpm,
)
from diffutils.schedule import (
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
    rescale_zero_terminal_snr,
)
from diffutils.solvers import sample_dpm, sample_heun
from diffutils.training import fit
from diffutils.unet import ContextUnet
from diffutils.votes import PaletteUnet
from diffutils.weights import load_pretrained, load_weights, save_weights

__all__ = [
    "ContextUnet",
    "IdealDenoiser",
    "NoiseSchedule",
    "PaletteUnet",
    "Trajectory",
    "cosine_schedule",
    "denoise_add_noise",
    "denoise_ddim",
    "fit",
    "guess_noise",
    "linear_schedule",
    "load_pretrained",
    "load_weights",
    "perturb_input",
    "predict_x0",
    "rescale_zero_terminal_snr",
    "sample_ddim",
    "sample_ddpm",
    "sample_dpm",
    "sample_heun",
    "save_weights",
]

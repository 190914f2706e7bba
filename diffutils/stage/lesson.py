"""The first line of every lesson: seeds, device, threads and the look of figures.

    device = lesson.setup(seed=0)

On a machine with other busy programs, torch's spinning threads make it 2 to 20 times slower than
one thread would be. So all physical cores are used where the machine is idle, one where it is
shared: next to other work, or on a JupyterHub. In a notebook, cells that are run out of order are
told from then on which cell to run first (see `order`), and memory that is free goes back to the
system after each cell (see `memory`). A kernel that works in another folder than the lesson's, as
some editors start it, is told where the predictions are kept then.
"""

import os
import random
from pathlib import Path

import numpy as np
import psutil
import torch
from IPython import get_ipython

from diffutils.expect import check_count
from diffutils.memory import give_back
from diffutils.stage.look import style
from diffutils.stage.order import read_folder, watch


def setup(seed=0, *, threads=None):
    """Seeds every generator, picks device and threads, sets the figure style; says so in a line.

    seed      an integer in 0..2**32 - 1, for random, numpy and torch
    threads   CPU threads for torch; None respects OMP_NUM_THREADS, else decides by the load
    returns   the torch.device to compute on: CUDA, Apple's GPU, or the CPU
    """
    check_count("setup", "seed", seed, lowest=0)
    if seed >= 2**32:
        raise ValueError(f"setup: seed is {seed}; expected an integer below 2**32")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    device = choose_device()
    threads, why = choose_threads(threads)
    torch.set_num_threads(threads)
    style()
    if (shell := get_ipython()) is not None:
        watch(shell)
        shell.events.register("post_run_cell", give_back)
    print(f"[setup] seed {seed}, device {device.type}, {threads} CPU thread(s): {why}")
    if shell is not None and not is_lessons_folder(Path.cwd()):
        print(f"[setup] this kernel works in {Path.cwd()}, not in the lesson's folder: "
              "your predictions are kept there, in predictions.json")
    return device


def is_lessons_folder(folder):
    """Whether a notebook in the folder begins as the lessons do."""
    return any("lesson.setup(" in cells[0].text for cells in read_folder(folder) if cells)


def choose_device():
    """CUDA if there is one, else Apple's GPU, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_threads(threads=None, busy=None):
    """How many CPU threads torch should use, and why in a few words.

    threads   the answer, if it is given
    busy      share of the machine that is at work, 0..1; None measures it for 0.2 s
    """
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if threads is not None:
        check_count("setup", "threads", threads)
        return threads, "as asked for"
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"])), "OMP_NUM_THREADS says so"
    if "JUPYTERHUB_USER" in os.environ:
        return 1, "a hub is shared"
    busy = psutil.cpu_percent(interval=0.2) / 100 if busy is None else busy
    if busy > 0.25:
        return 1, f"the machine is {busy:.0%} busy with other work"
    return cores, "all cores, the machine is idle"

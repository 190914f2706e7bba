"""Training runs that are killed: `python tests/killed_run.py FOLDER KILLS SEED` kills that many.

Each is a process of its own, forked from this one so that torch is loaded once, with a checkpoint
in FOLDER/0, FOLDER/1, ... at every step. The even ones are killed from outside, a random time after
a random step; the odd ones when a random part of a random checkpoint is on the disk. One JSON line
a kill: {"step": the last that was finished, "inside": whether a checkpoint was being written}.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save

from diffutils import files, linear_schedule, training
from diffutils.votes import PaletteUnet

STEPS = 12
SLICES = 16  # in which a checkpoint goes to the disk here


def tiny_run(checkpoint=None):
    """A run of STEPS steps of a small network on eight grey sprites."""
    torch.manual_seed(0)
    nn_model = PaletteUnet(channels=8, hidden=8, schedule=linear_schedule())
    x0 = torch.linspace(-1, 1, 8)[:, None, None, None].expand(8, 3, 8, 8).contiguous()
    return training.fit(nn_model, x0, schedule=linear_schedule(), steps=STEPS, batch_size=2,
                        checkpoint=checkpoint)


def writer(death):
    """Writes like safetensors' save_file, but slice by slice; dies at (file, slice) `death`."""
    written = 0

    def save_file(tensors, path, metadata):
        nonlocal written
        content = save(tensors, metadata)
        with open(path, "wb") as file:
            for k in range(SLICES):
                if (written, k) == death:
                    os.kill(os.getpid(), signal.SIGKILL)
                part = len(content) // SLICES + 1
                file.write(content[k * part : (k + 1) * part])
                file.flush()
                time.sleep(0.0005)
        written += 1

    return save_file


def train(checkpoint, death, pipe):
    """What the child does; tells the parent every step that it has finished."""
    training.CHECKPOINT_EVERY = 1
    files.save_file = writer(death)
    for record in tiny_run(checkpoint):
        os.write(pipe, bytes([record.step]))
    while True:  # a late kill is a kill after the end
        time.sleep(1)


def kill_one(checkpoint, after, delay, death):
    """Starts a run, sees it killed, and tells what it was doing."""
    told, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        train(checkpoint, death, pipe)
    os.close(pipe)
    step = 0
    while (death or step < after) and (report := os.read(told, 1)):
        step = report[0]
    if death is None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    step = [step, *os.read(told, STEPS)][-1]
    os.close(told)
    return {"step": step, "inside": any(checkpoint.parent.glob("*.partial"))}


def main(folder, kills, seed):
    torch.set_num_threads(1)
    next(iter(tiny_run()))  # what torch loads late is loaded before the forks
    moments = random.Random(seed)
    for k in range(kills):
        step, delay = moments.randrange(STEPS), moments.uniform(0, 0.08)
        death = (step, moments.randrange(SLICES)) if k % 2 else None
        checkpoint = Path(folder, str(k), "run")
        checkpoint.parent.mkdir()
        print(json.dumps(kill_one(checkpoint, step, delay, death)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

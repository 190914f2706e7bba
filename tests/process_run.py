"""What each process of test_processes.py does; torch.distributed.run starts it with FOLDER WHAT.

It writes what it saw to FOLDER/WHAT.PROCESS.json; the main process its network too.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from diffutils import files, linear_schedule, training
from diffutils.train import make_accelerator
from diffutils.unet import ContextUnet

STEPS = 6
BATCHES = (3, 7, 8)
SCHEDULE = linear_schedule(50)


def tiny_run(accelerator=None, batch_size=7, checkpoint=None):
    """STEPS steps of a small network on twelve grey sprites of two classes."""
    torch.manual_seed(0)
    nn_model = ContextUnet(n_context=2, channels=8, hidden=8, schedule=SCHEDULE)
    x0 = torch.linspace(-1, 1, 12)[:, None, None, None].expand(12, 3, 8, 8).contiguous()
    contexts = torch.eye(2)[torch.arange(12) % 2]
    return training.fit(nn_model, x0, schedule=SCHEDULE, contexts=contexts, steps=STEPS,
                        batch_size=batch_size, checkpoint=checkpoint, accelerator=accelerator)


def whole(nn_model):
    return {name: tensor.contiguous() for name, tensor in nn_model.state_dict().items()}


def compare(accelerator, folder):
    """Even and uneven shares, and fewer sprites than processes, which must be said."""
    seen = {}
    for batch_size in BATCHES:
        run = tiny_run(accelerator, batch_size)
        seen[batch_size] = [record.loss for record in run]
        if accelerator.is_main_process:
            path = folder / f"{accelerator.num_processes}.{batch_size}.safetensors"
            files.write_atomically(path, whole(run.model), {})
    try:
        tiny_run(accelerator, 1)
    except ValueError as error:
        seen["refused"] = str(error)
    return seen


def die(accelerator, folder):
    """Of the first launch the last process is killed after its third step."""
    run = tiny_run(accelerator, checkpoint=folder / "run")
    begun = run.step
    for record in run:
        last = accelerator.process_index == accelerator.num_processes - 1
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" and last and record.step == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    return {"begun": begun, "ended": run.step}


def machines(accelerator, folder):
    """Each machine has its own disk; what it finds there is told to all."""
    place = folder / os.environ["MACHINE"]
    run = tiny_run(accelerator, checkpoint=place / "run")
    begun = run.step
    losses = [record.loss for record in run]
    return {"begun": begun, "losses": losses}


def main(folder, what):
    torch.set_num_threads(1)
    training.CHECKPOINT_EVERY = 1
    accelerator = make_accelerator("cpu")
    seen = {"processes": accelerator.num_processes, "process": accelerator.process_index}
    seen |= globals()[what](accelerator, folder)
    (folder / f"{what}.{accelerator.process_index}.json").write_text(json.dumps(seen))
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

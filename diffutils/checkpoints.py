"""The whole state of a training run on disk, to go on with as if it had never been stopped.

A checkpoint knows its run: sprites, schedule, network and the numbers it was begun with. A run
that differs is refused, naming what differs. The main process writes; of several machines without
a shared disk, the one that has the file tells the others.
"""

import json

import torch

from diffutils.expect import check_finite, unwrap
from diffutils.files import MAX_HEADER_BYTES, check_tensors, checksum, read_file, write_atomically

CHECKPOINT = "diffutils-checkpoint-2"


def save_checkpoint(path, run):
    """All of a run's state; ValueError where some is not finite: nobody could read it."""
    tensors = {f"state.{name}": value for name, value in run_state(run).items()}
    for name, tensor in tensors.items():
        check_finite("fit", f"{name!r} of step {run.step}", tensor)
    tensors = {name: tensor.clone(memory_format=torch.contiguous_format)  # each its own memory
               for name, tensor in tensors.items()} | {"generator": run.generator.get_state()}
    story = {"step": str(run.step), "seconds": repr(run.seconds), "run": json.dumps(run.settings)}
    write_atomically(path, tensors, {"format": CHECKPOINT, **story})


def resume(path, run):
    """Puts a run back where its checkpoint left it; ValueError where it is of another run."""
    found = furthest(read_if_there(path, run), run.accelerator)
    if found is not None:
        run.step, run.seconds, tensors = found
        put_back(run, tensors)


def read_if_there(path, run):
    """(step, seconds, tensors) of the checkpoint, the error that reading it raised, or None."""
    try:
        return read_checkpoint(path, run) if path.exists() else None
    except (ValueError, OSError) as error:
        return error


def furthest(found, accelerator):
    """Of what the processes have found on their disks, what has most steps; an error is raised."""
    alone = accelerator is None or accelerator.num_processes == 1
    errors, steps = [found if isinstance(found, Exception) else None], [0]
    if not alone:
        from accelerate.utils import broadcast_object_list, gather_object

        errors = [error and type(error)(str(error)) for error in gather_object(errors)]
        steps = gather_object([found[0] if isinstance(found, tuple) else -1])
    for error in filter(None, errors):
        raise error
    held = [found]
    if not alone and max(steps) >= 0:
        broadcast_object_list(held, from_process=steps.index(max(steps)))
    return held[0]


def read_checkpoint(path, run):
    state = run_state(run)
    expected = {f"state.{name}": value for name, value in state.items()}
    expected["generator"] = run.generator.get_state()
    most = 2 * sum(tensor.nbytes for tensor in expected.values()) + MAX_HEADER_BYTES
    tensors, metadata = read_file("fit", path, CHECKPOINT, most)
    check_settings(path, metadata.get("run"), run.settings)
    check_tensors("fit", path, tensors, expected)
    try:
        torch.Generator().set_state(tensors["generator"])
        return int(metadata["step"]), float(metadata["seconds"]), tensors
    except (KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"fit: checkpoint {path} tells no step, seconds and random state "
                         f"({error!r})") from error


def check_settings(path, told, ours):
    """ValueError naming what differs between the run that wrote the file and this one."""
    try:
        theirs = dict(json.loads(told))
    except (TypeError, ValueError, RecursionError):
        theirs = {}
    if theirs != ours:
        names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
        that, this = (json.dumps({name: one[name] for name in names if name in one})
                      for one in (theirs, ours))
        raise ValueError(f"fit: checkpoint {path} belongs to a run with {that}; this one has "
                         f"{this}; name another file for this run, or delete that one")


def run_state(run):
    """Every tensor that a step changes, or an answer depends on, by name."""
    parts = {"nn_model": unwrap(run.nn_model).state_dict(), "averaged": run.averaged.state_dict()}
    state = {f"{part}.{name}": value for part, values in parts.items()
             for name, value in values.items()}
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"fit: {name!r} is a {type(value).__name__}; expected a tensor")
    for name, moments in run.optimizer.moments.items():
        state |= {f"optimizer.{name}.{kind}": value for kind, value in moments.items()}
    return {name: value.detach() for name, value in state.items()}


def put_back(run, tensors):
    """The inverse of `run_state`; what is no tensor of the network's goes where it came from."""
    run.generator.set_state(tensors["generator"])
    for part, module in (("nn_model", unwrap(run.nn_model)), ("averaged", run.averaged)):
        start = f"state.{part}."
        module.load_state_dict({name.removeprefix(start): value for name, value in tensors.items()
                                if name.startswith(start)})
    for name, moments in run.optimizer.moments.items():
        for kind, value in moments.items():
            value.copy_(tensors[f"state.optimizer.{name}.{kind}"])


def settings_of(run, x0, contexts):
    """What a run was begun with, in values that JSON keeps: equal for runs that go on alike."""
    nn_model, config = unwrap(run.nn_model), getattr(unwrap(run.nn_model), "config", None)
    sizes = ", ".join(f"{k}={v}" for k, v in config.items()) if isinstance(config, dict) else ""
    return {
        "steps": None if run.steps is None else int(run.steps), "batch_size": int(run.batch_size),
        "seed": int(run.seed), "learning_rate": float(run.learning_rate),
        "network": f"{type(nn_model).__name__}({sizes})",
        "precision": f"{run.dtype}" + " multiplied in bfloat16" * run.bfloat16,
        "schedule": f"{run.schedule!r} {digest(run.schedule.alpha_bar)}",
        "level_weights": digest(run.weight), "context_dropout": float(run.context_dropout),
        **data_settings(x0, contexts),
    }


def data_settings(x0, contexts):
    """What sprites those are: size and checksum, or of a function that of the first it gives."""
    if not callable(x0):
        return {"height": list(x0.shape[2:]), "sprites": digest(x0), "contexts": digest(contexts)}
    first, again = (x0(256, torch.Generator().manual_seed(0)) for _ in range(2))
    height = list(first[0].shape[2:])
    first, again = ([digest(part) for part in one] for one in (first, again))
    if first != again:  # it draws by other means than its generator: nothing to know it by
        return {"height": height}
    known = x0.checksum() if hasattr(x0, "checksum") else first[0]
    return {"height": height, "sprites": known[:12], "contexts": first[1]}


def digest(tensor):
    """The first twelve letters of a checksum, or None."""
    return None if tensor is None else checksum({"": tensor.detach().cpu()})[:12]

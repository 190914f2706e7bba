"""Networks on disk: weights with their config, their story and their scores in one file.

    save_weights("mine.safetensors", nn_model)
    nn_model, schedule = load_weights("mine.safetensors")
    nn_model, schedule = load_pretrained()
"""

import json
from importlib import resources
from pathlib import Path

import torch

from diffutils.expect import check_choice, check_finite, check_kind, check_path, unwrap
from diffutils.files import check_tensors, checksum, read_file, write_atomically
from diffutils.schedule import NoiseSchedule
from diffutils.unet import ContextUnet
from diffutils.votes import PaletteUnet

FORMAT = "diffutils-weights-2"
MAX_WEIGHTS_BYTES = 2**27  # of a weights file; the shipped ones have 4 MB at most
KINDS = {"plain": ContextUnet, "palette": PaletteUnet}


def save_weights(path, nn_model, *, command="", data_checksum="", scores=None, dtype=torch.float32):
    """Writes a network with all that is needed to use it and to judge it.

    path            the file, ending in .safetensors
    nn_model        a ContextUnet or a PaletteUnet; it knows its schedule
    command         what was run to train it
    data_checksum   SHA-256 of what it was trained on
    scores          a dictionary of what was measured of it
    dtype           float32, or float16 to halve the file
    Raises OSError naming the file where it cannot be written; what was there before stays there.
    """
    check_path("save_weights", "path", path)
    kind, nn_model = kind_of("save_weights", nn_model), unwrap(nn_model)
    check_kind("save_weights", "command", command, str)
    check_kind("save_weights", "data_checksum", data_checksum, str)
    if dtype not in (torch.float32, torch.float16):
        raise ValueError(f"save_weights: dtype is {dtype!r}; expected torch.float32 or float16")
    rounded = dict(nn_model.named_parameters())  # the palette stays exact
    tensors = {k: v.detach().cpu().to(dtype if k in rounded else v.dtype).contiguous()
               for k, v in stored_tensors(nn_model).items()}
    for name, tensor in tensors.items():
        check_finite("save_weights", f"{name!r} of nn_model in {dtype}", tensor)
    metadata = {
        "format": FORMAT,
        "kind": kind,
        "config": json.dumps(whole_config(nn_model)),
        "command": command,
        "data_checksum": data_checksum,
        "scores": as_json("save_weights", "scores", {} if scores is None else scores),
        "weights_checksum": checksum(tensors),
    }
    write_atomically(Path(path), tensors, metadata)


def kind_of(where, nn_model):
    """The name of a network's kind, "plain" or "palette"; TypeError for anything else."""
    nn_model = unwrap(nn_model)
    for kind, network in KINDS.items():
        if type(nn_model) is network:
            return kind
    raise TypeError(f"{where}: nn_model is a {type(nn_model).__name__}; expected one of "
                    f"{[network.__name__ for network in KINDS.values()]}")


def whole_config(nn_model):
    """All that is needed to build the network again: sizes, schedule, conviction if it has one."""
    config = nn_model.config | {"beta": nn_model.schedule.beta[1:].tolist()}
    return config | ({"conviction": nn_model.conviction} if hasattr(nn_model, "conviction") else {})


def stored_tensors(nn_model):
    """The state without what the config tells already, by name."""
    return {k: v for k, v in nn_model.state_dict().items() if k != "_extra_state"}


def as_json(where, name, value):
    """A dictionary as text."""
    check_kind(where, name, value, dict)
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{where}: {name} cannot be written as JSON ({error})") from error


def load_weights(path):
    """The network in a file written by `save_weights` and its schedule, ready to sample from.

    Raises FileNotFoundError where there is no file, ValueError where it is not such a file, is cut
    short, or its weights do not fit its config or are not those that were written.
    """
    tensors, metadata = read_file("load_weights", path, FORMAT, MAX_WEIGHTS_BYTES)
    with torch.device("meta"):  # what the config claims takes no memory
        claimed = build(path, metadata)
    check_tensors("load_weights", path, tensors, stored_tensors(claimed))
    nn_model = build(path, metadata)
    if checksum(tensors) != metadata.get("weights_checksum"):
        raise ValueError(f"load_weights: {path}: the weights are not those that were written "
                         "(their checksum differs); copy the file again")
    nn_model.load_state_dict(nn_model.state_dict() | tensors)
    nn_model.eval()
    return nn_model, nn_model.schedule


def load_pretrained(kind="palette"):
    """A network that comes with diffutils, "palette" or "plain": (nn_model, schedule)."""
    return load_weights(pretrained_path(kind))


def pretrained_path(kind="palette"):
    """Where shipped weights lie; their story is in `weights_metadata(pretrained_path())`."""
    check_choice("load_pretrained", "kind", kind, KINDS)
    return Path(str(resources.files("diffutils") / "shipped" / f"{kind}.safetensors"))


def weights_metadata(path):
    """What a weights file says of itself: kind, config, command, data_checksum, scores."""
    _, metadata = read_file("weights_metadata", path, FORMAT, MAX_WEIGHTS_BYTES)
    try:
        unpacked = {key: json.loads(metadata[key]) for key in ("config", "scores")}
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"weights_metadata: {path} has no config and scores that can be read "
                         f"({error})") from error
    return {**metadata, **unpacked}


def build(path, metadata):
    """An untrained network after the config in the file, whose numbers are not trusted."""
    try:
        config = json.loads(metadata["config"])
        with torch.device("cpu"):
            schedule = NoiseSchedule(config.pop("beta"))
        return KINDS[metadata["kind"]](**config, schedule=schedule).float()
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"load_weights: {path}: its config describes no network that can be "
                         f"built ({error})") from error

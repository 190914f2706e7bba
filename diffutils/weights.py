"""Networks on disk: weights with their config, their story and their scores in one file.

    save_weights("mine.safetensors", nn_model)
    nn_model, schedule = load_weights("mine.safetensors")
    nn_model, schedule = load_pretrained()
"""

import json
from importlib import resources
from pathlib import Path

import torch

from diffutils.expect import check_choice, check_finite, check_kind, check_list, check_path, unwrap
from diffutils.files import (
    MAX_HEADER_BYTES,
    check_tensors,
    checksum,
    read_file,
    storable,
    write_atomically,
)
from diffutils.schedule import NoiseSchedule
from diffutils.unet import ContextUnet
from diffutils.votes import PaletteUnet

FORMAT = "diffutils-weights-2"
MAX_WEIGHTS_BYTES = 2**27  # of a weights file; the shipped ones have 4 MB at most
KINDS = {"plain": ContextUnet, "palette": PaletteUnet}
SHIPPED = ("palette", "plain", "small", "small-undropped", "parts")


def save_weights(path, nn_model, *, command="", data_checksum="", class_names=(), scores=None,
                 dtype=torch.float32, kinds=KINDS):
    """Writes a network with all that is needed to use it and to judge it.

    path            the file, ending in .safetensors
    nn_model        a network of one of the `kinds`; it knows its schedule
    command         what was run to train it
    data_checksum   SHA-256 of what it was trained on
    class_names     what each number of a context stands for, in order; () if that is not known
    scores          a dictionary of what was measured of it
    dtype           float32, or float16 to halve the file
    kinds           what networks there are, by name: a ContextUnet and a PaletteUnet
    Raises OSError naming the file where it cannot be written; what was there before stays there.
    What `load_weights` would refuse is a ValueError here, and not written.
    """
    check_path("save_weights", "path", path)
    kind, nn_model = kind_of("save_weights", nn_model, kinds), unwrap(nn_model)
    check_kind("save_weights", "command", command, str)
    check_kind("save_weights", "data_checksum", data_checksum, str)
    if dtype not in (torch.float32, torch.float16):
        raise ValueError(f"save_weights: dtype is {dtype!r}; expected torch.float32 or float16")
    rounded = dict(nn_model.named_parameters())  # the palette stays exact
    tensors = {k: v.detach().cpu().to(dtype if k in rounded else stored_dtype(v)).contiguous()
               for k, v in stored_tensors(nn_model).items()}
    for name, tensor in tensors.items():
        check_finite("save_weights", f"{name!r} of nn_model in {dtype}", tensor)
    metadata = {
        "format": FORMAT,
        "kind": kind,
        "config": json.dumps(whole_config(nn_model)),
        "command": storable(command),
        "data_checksum": storable(data_checksum),
        "class_names": json.dumps(list_of_names("save_weights", class_names, nn_model.n_context)),
        "scores": as_json("save_weights", "scores", {} if scores is None else scores),
        "weights_checksum": checksum(tensors),
    }
    check_can_be_read("save_weights", path, tensors, metadata, kinds)
    write_atomically(Path(path), tensors, metadata)


def stored_dtype(tensor):
    """What is written of a tensor that is not rounded: float32, whatever the network ran in."""
    return torch.float32 if tensor.is_floating_point() else tensor.dtype


def list_of_names(where, class_names, n_context):
    """Class names as a list of texts, none or one for each number of a context."""
    check_list(where, "class_names", class_names)
    if class_names and len(class_names) != n_context:
        raise ValueError(f"{where}: class_names has {len(class_names)} names; expected "
                         f"{n_context}, one for each number of a context")
    for name in class_names:
        check_kind(where, "a class name", name, str)
    return [storable(name) for name in class_names]


def check_can_be_read(where, path, tensors, metadata, kinds):
    """ValueError where a file of these would be refused for good by `load_weights`."""
    unpack("nn_model", metadata)
    with torch.device("meta"):
        claimed = build("nn_model", metadata, kinds)
    check_tensors(where, "nn_model", tensors, stored_tensors(claimed))
    header = sum(len(text) for text in metadata.values())
    size, spare = header + sum(tensor.nbytes for tensor in tensors.values()), 2**20
    if size > MAX_WEIGHTS_BYTES - spare or header > MAX_HEADER_BYTES - spare:
        raise ValueError(f"{where}: {path} would have {size} bytes, {header} of them metadata; "
                         f"expected {MAX_WEIGHTS_BYTES - spare}, {MAX_HEADER_BYTES - spare}")


def kind_of(where, nn_model, kinds=KINDS):
    """The name of a network's kind, "plain" or "palette"; TypeError for anything else."""
    nn_model = unwrap(nn_model)
    for kind, network in kinds.items():
        if type(nn_model) is network:
            return kind
    raise TypeError(f"{where}: nn_model is a {type(nn_model).__name__}; expected one of "
                    f"{[network.__name__ for network in kinds.values()]}")


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


def load_weights(path, *, kinds=KINDS):
    """The network in a file written by `save_weights` and its schedule, ready to sample from.

    kinds   what networks may be in it, by name
    Raises FileNotFoundError where there is no file, ValueError where it is not such a file, is cut
    short, or its weights do not fit its config or are not those that were written.
    """
    tensors, metadata = read_file("load_weights", path, FORMAT, MAX_WEIGHTS_BYTES)
    with torch.device("meta"):  # what the config claims takes no memory
        claimed = build(path, metadata, kinds)
    check_tensors("load_weights", path, tensors, stored_tensors(claimed))
    nn_model = build(path, metadata, kinds)
    if checksum(tensors) != metadata.get("weights_checksum"):
        raise ValueError(f"load_weights: {path}: the weights are not those that were written "
                         "(their checksum differs); copy the file again")
    nn_model.load_state_dict(nn_model.state_dict() | tensors)
    nn_model.eval()
    return nn_model, nn_model.schedule


def load_pretrained(name="palette"):
    """A network that comes with diffutils: (nn_model, schedule).

    name   "palette", which draws best; "plain", a U-Net of the usual kind; "small", a palette
           network of a tenth of the size; "small-undropped", the same, never trained without a
           context; "parts", such a one of heroes, whose context names single parts
    """
    return load_weights(pretrained_path(name))


def pretrained_path(name="palette"):
    """Where shipped weights lie; their story is in `weights_metadata(pretrained_path())`."""
    check_choice("load_pretrained", "name", name, SHIPPED)
    return Path(str(resources.files("diffutils") / "shipped" / f"{name}.safetensors"))


def weights_metadata(path):
    """What a weights file says of itself: kind, config, command, checksum, class_names, scores."""
    _, metadata = read_file("weights_metadata", path, FORMAT, MAX_WEIGHTS_BYTES)
    return unpack(path, metadata)


def unpack(path, metadata):
    """Metadata with its texts of JSON read; class_names is [] where a file has none."""
    texts = {"class_names": "[]"} | metadata
    try:
        unpacked = {key: json.loads(texts[key]) for key in ("config", "scores", "class_names")}
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"weights_metadata: {path} has no config and scores that can be read "
                         f"({error})") from error
    names = unpacked["class_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"weights_metadata: {path} has class_names that are no list of texts")
    return {**metadata, **unpacked}


def build(path, metadata, kinds):
    """An untrained network after the config in the file, whose numbers are not trusted."""
    try:
        config = json.loads(metadata["config"])
        with torch.device("cpu"):
            schedule = NoiseSchedule(config.pop("beta"))
        return kinds[metadata["kind"]](**config, schedule=schedule).float()
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"load_weights: {path}: its config describes no network that can be "
                         f"built ({error})") from error

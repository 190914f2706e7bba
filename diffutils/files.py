"""Tensors on disk: safetensors written whole or not at all, and read with distrust.

Nothing in such a file is ever executed. It is written beside its place and then moved there, so
that a reader finds the old file or the new one, never half of one. What a process that was killed
has left beside it is cleared away by the next one that writes.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from diffutils.expect import check_path

MAX_HEADER_BYTES = 2**24


def check_tensors(where, path, found, expected):
    """ValueError naming the first tensor that is missing, unknown, misshapen or not finite."""
    for name in sorted(set(expected) ^ set(found)):
        what = "lacks" if name in expected else "has the unknown"
        raise ValueError(f"{where}: {path} {what} tensor {name!r}")
    for name, tensor in found.items():
        shape, dtype = expected[name].shape, expected[name].dtype
        if tensor.shape != shape:
            raise ValueError(f"{where}: {path}: tensor {name!r} has shape "
                             f"{tuple(tensor.shape)}; expected {tuple(shape)}")
        if tensor.dtype not in (dtype, torch.float16 if dtype.is_floating_point else dtype):
            raise ValueError(f"{where}: {path}: tensor {name!r} holds {tensor.dtype}; "
                             f"expected {dtype}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{where}: {path}: tensor {name!r} has values that are not finite")


def checksum(tensors):
    """SHA-256 over the names and bytes of tensors, or of one tensor such as a data set."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def storable(text):
    """A text that can be written as UTF-8: a name of other bytes keeps them as \\udc80 or so."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextlib.contextmanager
def openable(path):
    """The path, or a link to it where its name is no UTF-8, which safetensors cannot open."""
    if storable(str(path)) == str(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="diffutils-") as folder:
        link = Path(folder, "link")
        link.symlink_to(path.absolute())
        yield link


def is_file(path):
    """Whether there is a file of this name, and the name is one."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_file(where, path, expected_format, most):
    """Tensors and metadata of a safetensors file, or an error that says what is wrong with it.

    most   the bytes of the largest file that is read; more than these are never in memory
    """
    check_path(where, "path", path)
    path = Path(path)
    if not is_file(path):
        raise FileNotFoundError(f"{where}: path is {path}; there is no such file")
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if path.stat().st_size > most or MAX_HEADER_BYTES < header < path.stat().st_size:
        raise ValueError(f"{where}: {path} has {path.stat().st_size} bytes, {header} of them a "
                         f"header; expected at most {most}, {MAX_HEADER_BYTES} of them a header")
    try:
        with openable(path) as name, safe_open(name, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, ValueError, OSError) as error:
        with path.open("rb") as file:
            start = file.read(24)
        raise ValueError(f"{where}: {path} is no safetensors file, or is cut short: it has "
                         f"{path.stat().st_size} bytes and starts with {start!r}; "
                         "fetch it again") from error
    if metadata.get("format") != expected_format:
        raise ValueError(f"{where}: {path} has the format {metadata.get('format')!r}; "
                         f"expected {expected_format!r}")
    return tensors, metadata


def write_atomically(path, tensors, metadata):
    """The whole file or none of it: written beside its place, then moved there.

    Raises OSError naming the file where that cannot be done; then the old one is as it was.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata)
        partial.chmod(0o644)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        clear_leftovers(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"{path} cannot be written: {reason}; what was there is as it was") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def clear_leftovers(path):
    """Removes what writers of this file left beside it when they were killed."""
    import psutil

    for leftover in path.parent.glob("*.partial"):
        name, _, process = leftover.stem.rpartition(".")
        if name == path.name and process.isdecimal() and int(process) not in psutil.pids():
            with contextlib.suppress(OSError):
                leftover.unlink()

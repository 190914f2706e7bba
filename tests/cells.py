"""Cells of the notebooks as tests run them: after the imports, which stand in the second one."""

import functools
from pathlib import Path

import nbformat
import torch

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def shown(path):
    """The cells of a notebook that a student sees: all but the speaker notes."""
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if "notes" not in cell.metadata.get("tags", [])]


@functools.cache
def code_of(name):
    """The code cells of a notebook, known by how its place in `notebooks/` begins: "04"."""
    (path,) = NOTEBOOKS.glob(f"{name}*")
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def cell_with(name, words):
    """The one code cell of a notebook that holds these words."""
    (cell,) = (cell for cell in code_of(name) if words in cell.source)
    return cell


def functions_of(name, *words, **given):
    """What stands after the imports and the cells that hold these words, one after another."""
    names = {}
    with torch.set_grad_enabled(torch.is_grad_enabled()):  # a cell may turn gradients off
        exec(code_of(name)[1].source, names)
        names |= {"device": "cpu"} | given
        for each in words:
            torch.manual_seed(0)
            exec(cell_with(name, each).source, names)
    return names

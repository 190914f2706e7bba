"""Runs a lesson from top to bottom on this machine: how long each cell takes, who it calls.

    done = rehearse(read_lesson("04"))
    done.seconds["cell-35"], done.failed, done.reached

The lesson runs in a kernel of its own and in an empty folder, so that it changes nothing. A hook in
that kernel notes every connection to another machine.
"""

import contextlib
import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from diffutils.stage.desk import PACKAGE

TIMEOUT = 600  # seconds that a cell may take
OUTSIDE = Path(__file__).with_name("outside.py")
WATCH = f"import runpy as _r\n_reached = _r.run_path({str(OUTSIDE)!r})['watch']()"
TELL = "import json as _json\nprint(_json.dumps(_reached))"


@dataclass
class Rehearsal:
    """What happened: {cell id: seconds} in order, (cell id, error) or None, hosts that were called.

    start   seconds until the kernel was there
    """

    seconds: dict = field(default_factory=dict)
    failed: tuple = None
    reached: list = field(default_factory=list)
    start: float = 0.0

    @property
    def total(self):
        return sum(self.seconds.values())


def rehearse(lesson):
    """Runs the cells of a lesson; returns a `Rehearsal`, up to the cell that failed."""
    done = Rehearsal()
    notebook = nbformat.read(lesson.path, as_version=4)
    notebook.cells = [nbformat.v4.new_code_cell(WATCH), *notebook.cells,
                      nbformat.v4.new_code_cell(TELL)]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="diffutils-") as folder, importable():
        client = NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3",
                                extra_arguments=["--IPKernelApp.log_level=40"],
                                resources={"metadata": {"path": folder}})  # fmt: skip
        begun = time.perf_counter()
        with client.setup_kernel():
            try:
                run_cells(client, notebook.cells, done, begun)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                done.failed = (done.failed, in_a_line(error))
    return done


def run_cells(client, cells, done, begun):
    """Executes them one by one, and writes into `done`; what fails names its cell there first."""
    for place, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        done.failed, started = cell.id, time.perf_counter()
        client.execute_cell(cell, place)
        if place == 0:
            done.start = time.perf_counter() - begun
        elif place < len(cells) - 1:
            done.seconds[cell.id] = time.perf_counter() - started
    done.failed = None
    done.reached = json.loads("".join(o.get("text", "") for o in cells[-1].outputs))


def in_a_line(error):
    """The last line of a traceback."""
    lines = [line for line in str(error).strip().split("\n") if line.strip()]
    return lines[-1] if lines else type(error).__name__


@contextlib.contextmanager
def importable():
    """Kernels that are started meanwhile find this package, from whatever folder."""
    kept = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *filter(None, [kept])])
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH")
        os.environ.update({} if kept is None else {"PYTHONPATH": kept})

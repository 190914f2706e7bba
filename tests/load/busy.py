"""How much slower a lesson is on a busy machine: with one other program a core.

    python tests/load/busy.py 02 05

Each lesson runs from top to bottom on the machine as it is and next to one endless loop a core, by
turns, twice each. It prints seconds and their ratio. Run it on an idle machine; lesson 02 takes
three minutes.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def others(count):
    """`count` processes that do nothing, as fast as they can."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(1)  # so that they are seen at work
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def seconds_of(lesson):
    """Seconds for Run All of lesson "02", the start of the kernel included; and its first line."""
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    start = time.monotonic()
    NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=where).execute()
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    return time.monotonic() - start, first.outputs[0].text.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lessons", nargs="+", help="the numbers of lessons, such as 02")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    os.environ.pop("OMP_NUM_THREADS", None)  # the lesson looks at the machine and decides
    cores = psutil.cpu_count(logical=False) or os.cpu_count()
    for lesson in arguments.lessons:
        best = {}
        for _ in range(arguments.rounds):
            for count in (0, cores):
                with others(count):
                    seconds, line = seconds_of(lesson)
                best[count] = min(seconds, best.get(count, seconds))
                print(f"lesson {lesson} next to {count} others: {seconds:.0f} s {line}", flush=True)
        print(f"lesson {lesson}: {best[cores] / best[0]:.2f} times as long on a busy machine")


if __name__ == "__main__":
    main()

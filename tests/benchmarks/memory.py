"""The resident memory of a kernel that runs a lesson, read after each of its cells.

PYTHONPATH=. python tests/benchmarks/memory.py 01 02 03 04 05

The kernel's pages of shared libraries count in full, as in `ps`, although kernels on one machine
share them. What a cell takes only while it runs is not seen.
"""

import sys

import psutil

from tests.kernels import NOTEBOOKS, Kernel, code_of


def memory_of(path):
    """MB of the kernel after each code cell of a notebook."""
    with Kernel() as kernel:
        process = psutil.Process(kernel.manager.provisioner.pid)
        after = []
        for source in code_of(path):
            done = kernel.run(source)
            if done.error:
                raise RuntimeError(f"{path.name} stops at\n{source}\n{done.error}")
            after.append(process.memory_info().rss / 1e6)
    return after


def main():
    print("| lesson | after the first cell | the most after a cell | at the end |")
    print("|---|---|---|---|")
    for number in sys.argv[1:] or ["01", "02", "03", "04", "05"]:
        (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
        after = memory_of(path)
        cells = " | ".join(f"{megabytes:.0f} MB" for megabytes in (after[0], max(after), after[-1]))
        print(f"| {number} | {cells} |", flush=True)


if __name__ == "__main__":
    main()

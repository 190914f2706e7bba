"""The student's desk: `python -m diffutils` makes your copies of the lessons and opens the first.

The copies are in `my_lessons/`, in the folder where you are. What you have edited is never written
over. `--no-open` only makes the copies, for another editor than JupyterLab. What stands after `--`
goes to JupyterLab as it is: `python -m diffutils -- --ip=0.0.0.0`.
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from diffutils.stage import desk

FOLDER = "my_lessons"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m diffutils", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--no-open", action="store_true", help="make the copies, open nothing")
    parser.add_argument("--no-browser", action="store_true", help="start JupyterLab, no browser")
    parser.add_argument("--port", type=int, help="JupyterLab's port; by default 8888 or above")
    parser.add_argument("further", nargs="*", help="options of JupyterLab, after --")
    options = parser.parse_args(arguments)
    try:
        here = Path.cwd()
        folder = here if here.name == FOLDER else here / FOLDER
        report = desk.lay_out(folder)
    except OSError as error:
        reason = error.strerror or error
        parser.exit(2, f"{parser.prog}: {FOLDER}/ cannot be made here: {reason}"
                       f"{f' ({error.filename})' if error.filename else ''}\n")
    print("\n".join(desk.in_words(report, f"{FOLDER}/")), flush=True)
    if options.no_open:
        return
    if importlib.util.find_spec("jupyterlab") is None:
        parser.exit(2, f"{parser.prog}: the copies are in {FOLDER}/, but jupyterlab is not "
                       "installed: pip install jupyterlab, or open them in another editor\n")
    open_lab(folder, next(iter(desk.edition())), options)


def open_lab(folder, lesson, options):
    """JupyterLab in the folder, on the lesson; returns when it is stopped."""
    from jupyterlab.labapp import LabApp

    if (desk.PACKAGE.parent / "pyproject.toml").is_file():  # a checkout: kernels find it, too
        paths = [str(desk.PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    given = [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{lesson}"]
    given += [f"--ServerApp.port={options.port}"] if options.port is not None else []
    given += ["--no-browser"] if options.no_browser else []
    sys.argv = ["jupyter-lab"]
    LabApp.launch_instance([*given, *options.further])


if __name__ == "__main__":
    main()

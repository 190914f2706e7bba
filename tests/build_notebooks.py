"""Runs the notebooks in place and writes them in a normal form; or checks that this was done.

    python tests/build_notebooks.py                 run every lesson, deeper one and solution
    python tests/build_notebooks.py 01 05           run those whose names start so
    python tests/build_notebooks.py --check         say which were edited and not run since

The normal form holds no times, no widget state, no Python patch version and no random ids, so
that running a notebook again changes no byte. A fingerprint of the cells in the metadata tells
whether the outputs belong to the code. Of a cell's metadata it keeps what the course reads:

    {"tags": ["figure"]}                                       what the cell is
    {"jupyter": {"source_hidden": true}}                       it only draws, and is folded
    {"lesson": {"minutes": 4, "in": ["20", "45", "90"]}}       a section's first cell: how long it
                                                               takes, and in which cuts it is
A cell keeps its id `cell-12` wherever it goes; a new one gets the number after the highest. The
speaker notes of the section that begins with it are `notes-cell-12`.
"""

import argparse
import hashlib
import itertools
import json
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {  # without a version; what an export to a script or a page needs
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
FOLDERS = ("", "deeper/", "solutions/")
CUTS = ["20", "45", "90"]  # the lengths in minutes that a lesson can be cut to
CHOICES = [list(some) for n in (1, 2, 3) for some in itertools.combinations(CUTS, n)]
OWN_ID = re.compile(r"(?:notes-)?cell-(\d{2,})")
DROPPED = ("application/vnd.jupyter.widget-view+json",)


def find_notebooks(starts=()):
    """Lessons, deeper ones and solutions whose names start with one of `starts`, or all."""
    found = [path for folder in FOLDERS for path in sorted(NOTEBOOKS.glob(f"{folder}*.ipynb"))]
    return [path for path in found if not starts or path.name.startswith(tuple(starts))]


def fingerprint(notebook):
    """SHA-256 of what a person writes: the kinds, sources and tags of the cells."""
    written = [[c.cell_type, c.source, c.metadata.get("tags", [])] for c in notebook.cells]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def complaint(path):
    """What is wrong with a committed notebook, or None."""
    notebook = nbformat.read(path, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if problem := misshapen(notebook):
        return problem
    if notebook.metadata.get("fingerprint") != fingerprint(notebook):
        return "was edited and not run since"
    if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
        return "was not run from top to bottom"
    if path.read_text(encoding="utf-8") != normal_form(notebook):
        return "is not in normal form"
    return None


def misshapen(notebook):
    """Which cell's metadata the course cannot read, and why, or None."""
    for number, cell in enumerate(notebook.cells, 1):
        lesson = cell.metadata.get("lesson", {"minutes": 1, "in": CUTS})
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden", True)
        what = None
        if not isinstance(lesson, dict) or set(lesson) != {"minutes", "in"}:
            what = f"lesson is {lesson!r}; expected 'minutes' and 'in'"
        elif type(lesson["minutes"]) is not int or lesson["minutes"] < 1:
            what = f"minutes is {lesson['minutes']!r}; expected a whole number from 1"
        elif lesson["in"] not in CHOICES:
            what = f"in is {lesson['in']!r}; expected some of {CUTS}, in this order"
        elif type(hidden) is not bool:
            what = f"source_hidden is {hidden!r}; expected true or false"
        if what:
            start = cell.source.split("\n")[0][:40]
            return f"has in cell {number} ({start!r}) metadata of another form: {what}"
    return None


def kept_metadata(cell):
    """What the normal form keeps of a cell's metadata."""
    kept = {key: cell.metadata[key] for key in ("lesson", "tags") if cell.metadata.get(key)}
    if cell.metadata.get("jupyter", {}).get("source_hidden"):
        kept["jupyter"] = {"source_hidden": True}
    return kept


def give_ids(cells):
    """Cells that have an id of ours keep it; of two with the same the first. Others get new ones.

    So a cell can be found by its id when others have been put before it.
    """
    taken = set()
    for cell in cells:
        own = OWN_ID.fullmatch(cell.get("id", "")) and cell.id not in taken
        taken.add(cell.id) if own else cell.update(id=None)
    number = max((int(OWN_ID.fullmatch(name)[1]) for name in taken), default=0)
    for cell in cells:
        if cell.id is None:
            number += 1
            cell.id = f"cell-{number:02d}"


def normal_form(notebook):
    """The text of the file: the same for the same cells and outputs."""
    notebook.metadata = {
        "fingerprint": fingerprint(notebook),
        "kernelspec": KERNEL,
        "language_info": LANGUAGE,
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first that has ids
    give_ids(notebook.cells)
    for cell in notebook.cells:
        cell.metadata = kept_metadata(cell)
        if cell.cell_type == "code":
            outputs = [o for o in map(normal_output, cell.outputs) if o is not None]
            cell.outputs = joined(outputs)
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def normal_output(output):
    """The output without widget views and progress bars; None where nothing is left."""
    if output.output_type == "stream" and output.name == "stderr":
        return None
    if "data" in output:
        bar = any(mime in output.data for mime in DROPPED)
        output.data = {k: v for k, v in output.data.items() if k not in DROPPED}
        if bar and set(output.data) <= {"text/plain"}:
            return None
    output.pop("transient", None)
    return output


def joined(outputs):
    """The outputs, what was printed in a row as one: a busy machine sends it in pieces."""
    whole = []
    for output in outputs:
        if whole and output.output_type == whole[-1].output_type == "stream":
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def run(path):
    """Execute the notebook in its own folder with one thread and write its normal form."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    text = normal_form(notebook)
    half_written = path.with_suffix(".tmp")
    half_written.write_text(text, encoding="utf-8")
    half_written.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("starts", nargs="*", help="first letters of the notebooks; all if none")
    parser.add_argument("--check", action="store_true", help="run nothing; exit 1 if one is stale")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    stale = False
    for path in find_notebooks(arguments.starts):
        name = path.relative_to(NOTEBOOKS)
        if not arguments.check:
            if problem := misshapen(nbformat.read(path, as_version=4)):
                sys.exit(f"{name}: {problem}")
            run(path)
            print(f"{name}: run, {path.stat().st_size / 1000:.0f} KB")
        elif problem := complaint(path):
            stale = True
            print(f"{name}: {problem}")
    sys.exit(stale)


if __name__ == "__main__":
    main()

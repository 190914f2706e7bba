"""Runs the notebooks in place and writes them in a normal form; or checks that this was done.

    python tests/build_notebooks.py                 run every lesson and every solution
    python tests/build_notebooks.py 01 05           run those whose names start so
    python tests/build_notebooks.py --check         say which were edited and not run since

The normal form holds no times, no widget state, no Python patch version and no random ids, so
that running a notebook again changes no byte. A fingerprint of the cells in the metadata tells
whether the outputs belong to the code.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
DROPPED = ("application/vnd.jupyter.widget-view+json",)


def find_notebooks(starts=()):
    """The lessons and solutions whose names start with one of `starts`; all without any."""
    found = sorted(NOTEBOOKS.glob("*.ipynb")) + sorted(NOTEBOOKS.glob("solutions/*.ipynb"))
    return [path for path in found if not starts or path.name.startswith(tuple(starts))]


def fingerprint(notebook):
    """SHA-256 of what a person writes: the kinds, sources and tags of the cells."""
    written = [[c.cell_type, c.source, c.metadata.get("tags", [])] for c in notebook.cells]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def complaint(path):
    """What is wrong with a committed notebook, or None."""
    notebook = nbformat.read(path, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if notebook.metadata.get("fingerprint") != fingerprint(notebook):
        return "was edited and not run since"
    if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
        return "was not run from top to bottom"
    if path.read_text(encoding="utf-8") != normal_form(notebook):
        return "is not in normal form"
    return None


def normal_form(notebook):
    """The text of the file: the same for the same cells and outputs."""
    notebook.metadata = {
        "fingerprint": fingerprint(notebook),
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02d}"
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
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
            run(path)
            print(f"{name}: run, {path.stat().st_size / 1000:.0f} KB")
        elif problem := complaint(path):
            stale = True
            print(f"{name}: {problem}")
    sys.exit(stale)


if __name__ == "__main__":
    main()

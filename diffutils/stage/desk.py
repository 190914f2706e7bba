"""The student's copies: `my_lessons/`, without outputs and speaker notes, never written over.

`python -m diffutils` calls `lay_out`. Each copy carries in its metadata a fingerprint of its cells
as they were made, which says which edition it is of, and whether it has been edited since:
- one that is of the present edition is left as it is, edited or not;
- one of an earlier edition whose cells are as they were made becomes the present one;
- one of an earlier edition that a student has edited, or that is no copy made here, is not touched:
  the present edition comes beside it, `01_intuition_2.ipynb`.
Running cells is no editing: outputs do not count, nor do empty cells. The pictures of the lessons
are copied too, and are those of the present edition.
"""

import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = ("", "deeper", "solutions")
MARK = "diffutils"  # where in a notebook's metadata the fingerprint is


@dataclass
class Report:
    """What `lay_out` has done, names as in the folder.

    made      copies that were not there
    renewed   copies of an earlier edition, not edited, that are now of the present one
    kept      how many copies were of the present edition already
    behind    {a copy that was left as it is: (why, the copy of the present edition)}
    """

    made: list = field(default_factory=list)
    renewed: list = field(default_factory=list)
    kept: int = 0
    behind: dict = field(default_factory=dict)


def edition_folder(name):
    """Where this edition's "notebooks" or "diagrams" are: in the installed package, or beside it.

    FileNotFoundError where there are none.
    """
    for folder in (PACKAGE / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"this installation of diffutils holds no {name}; install it again")


def edition():
    """{name: path} of this edition's notebooks: "01_intuition.ipynb", "solutions/...", ..."""
    root = edition_folder("notebooks")
    paths = [path for folder in FOLDERS for path in sorted((root / folder).glob("[0-9]*.ipynb"))]
    if not paths:
        raise FileNotFoundError(f"{root} holds no lessons; install diffutils again")
    return {path.relative_to(root).as_posix(): path for path in paths}


def fingerprint(cells):
    """SHA-256 of what stands in the cells: kinds and texts, not outputs, not empty cells."""
    written = [[cell["cell_type"], text_of(cell)] for cell in cells if text_of(cell)]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def text_of(cell):
    return "".join(cell["source"]).strip()


def make_copy(path):
    """A student's copy of a notebook, as its parsed JSON."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"]
             if "notes" not in cell.get("metadata", {}).get("tags", [])]
    for cell in cells:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        else:  # the pictures lie one folder nearer
            cell["source"] = re.sub(r"\.\./diagrams/", "diagrams/", "".join(cell["source"]))
    kept = {key: notebook["metadata"][key] for key in ("kernelspec", "language_info")
            if key in notebook["metadata"]}
    mark = {MARK: {"edition": fingerprint(cells)}}
    return notebook | {"cells": cells, "metadata": kept | mark}


def look_at(path):
    """(edition that a copy was made from or None, whether its cells are as they were made)."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        made_from = notebook["metadata"][MARK]["edition"]
        return made_from, fingerprint(notebook["cells"]) == made_from
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, False


def lay_out(folder):
    """Makes the copies in `folder`, or brings them up to date; returns a Report.

    OSError where something cannot be written; what was there is then as it was.
    """
    folder, report = Path(folder), Report()
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in edition().items():
        lay(folder, name, make_copy(path), report)
    for picture in sorted(edition_folder("diagrams").glob("*.png")):
        here = folder / "diagrams" / picture.name
        if not here.is_file() or here.read_bytes() != picture.read_bytes():
            write(here, picture.read_bytes())
    return report


def lay(folder, name, copy, report):
    """One notebook: keep, renew or make its copy, and note which in the report."""
    series = [name]  # 01_intuition.ipynb, 01_intuition_2.ipynb, ... the last one is not there
    while os.path.lexists(folder / series[-1]):
        series.append(f"{name.removesuffix('.ipynb')}_{len(series) + 1}.ipynb")
    *there, new = series
    seen = {other: look_at(folder / other) for other in there}
    present = copy["metadata"][MARK]["edition"]
    current = [other for other, (made_from, _) in seen.items() if made_from == present]
    if current:
        report.kept += 1
        new = current[-1]
    elif there and seen[there[-1]][1]:
        new = there[-1]
        report.renewed.append(new)
    else:
        report.made.append(new)
    if not current:
        write(folder / new, (json.dumps(copy, indent=1, ensure_ascii=False) + "\n").encode())
    for other in there[: there.index(new) if new in there else None]:
        known = seen[other][0] is not None
        why = "you have edited it, and it is of an earlier edition" if known else "not made here"
        report.behind[other] = (why, new)


def write(path, data):
    """The whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def in_words(report, folder):
    """The report in lines for a student, a list."""
    lines = []
    if report.made:
        lines.append(f"{folder}: {count(report.made)} made, without outputs: they are yours.")
    if report.renewed:
        lines.append(f"{folder}: {count(report.renewed)} you had not edited brought up to date: "
                     f"{', '.join(report.renewed)}.")
    if not report.made and not report.renewed:
        lines.append(f"{folder}: all {report.kept} notebooks are there, and left as they are.")
    lines += [f"{name}: left as it is ({why}); the new one is {new}."
              for name, (why, new) in report.behind.items()]
    return lines


def count(names):
    return f"{len(names)} notebook{'s'[: len(names) != 1]}"

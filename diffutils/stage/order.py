"""Says which cell to run first, where the cells of a lesson are run out of order, or were stopped.

`lesson.setup` starts it. It reads the lesson's file, and the syntax of the cells tells it which of
them makes which name. The file is the one that the editor names, or that is in the working folder,
or else, where the kernel works elsewhere, in a folder of lessons beside or above it, or in the
package. It says its sentence in two cases:
- a name is missing that a cell further up makes: in place of the traceback of the NameError;
- a name is there, but the cell that should have made it was stopped, failed, or was not run, so
  that the name is unfinished or has come from another cell: before the output of the cell.
It changes nothing else. Where it does not know the file or the cell, as after a student has
rewritten it, it is silent. So it is before the first cell was run: nothing runs then that could
speak.
"""

import ast
import functools
import inspect
import json
import os
import symtable
from dataclasses import dataclass
from pathlib import Path

from diffutils.stage.desk import FOLDERS, edition_folder

NAMED_BY = ("__vsc_ipynb_file__", "__session__")  # what editors call the notebook's path
LESSONS = ("my_lessons", "notebooks")


@dataclass(frozen=True)
class Cell:
    """A code cell of a lesson: its text, the heading it stands under, what it makes and uses."""

    text: str
    heading: str
    makes: frozenset
    uses: frozenset

    def __str__(self):
        first = self.text.split("\n")[0]
        return f"the cell under '{self.heading}' that begins with `{first[:50]}`"


class WithGenerators(ast.NodeTransformer):
    """Makes generators of comprehensions, whose names symtable has called the cell's since 3.12."""

    def visit_ListComp(self, node):
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    visit_SetComp = visit_ListComp

    def visit_DictComp(self, node):
        return self.visit_ListComp(ast.ListComp(ast.Tuple([node.key, node.value]), node.generators))


def names_of(text):
    """(names that a cell's text makes, names that it uses and does not make itself)."""
    try:
        plain = ast.unparse(WithGenerators().visit(ast.parse(text)))
        top = symtable.symtable(plain, "cell", "exec")
    except SyntaxError:  # %magic
        return frozenset(), frozenset()
    made = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    inner = list(top.get_children())
    for table in inner:
        used |= {s.get_name() for s in table.get_symbols() if s.is_global()}
        inner += table.get_children()
    return frozenset(made), frozenset(used - made)


@functools.lru_cache(maxsize=32)
def read_cells(path, changed):
    """The code cells of a notebook, a tuple; `changed`, its time, makes a saved one read anew."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        pairs = [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError):  # no notebook, whatever its name says
        return ()
    heading, found = path.stem, []
    for kind, text in pairs:
        if kind == "code":
            found.append(Cell(text, heading, *names_of(text)))
        for line in text.split("\n") if kind == "markdown" else ():
            heading = line.lstrip("# ") if line.startswith("#") else heading
    return tuple(found)


def named_lesson(names=None):
    """The path of the notebook, where the editor tells it in a kernel's `names`, or None."""
    told = [(names or {}).get(name) for name in NAMED_BY] + [os.environ.get("JPY_SESSION_NAME")]
    for name in told:
        if isinstance(name, str) and name.endswith(".ipynb") and Path(name).is_file():
            return Path(name)
    return None


def lesson_folders():
    """Where lessons may be, the nearest first: here, beside and above here, in the package."""
    here = Path.cwd()
    folders = [here]
    for near in (here, *here.parents[:3]):
        folders += [near / name for name in LESSONS]
    try:
        folders.append(edition_folder("notebooks"))
    except FileNotFoundError:
        pass
    return [folder / inner for folder in folders for inner in FOLDERS]


def read_folder(folder):
    """The cells of each notebook in a folder."""
    try:
        return [read_cells(p, p.stat().st_mtime_ns) for p in sorted(folder.glob("*.ipynb"))]
    except OSError:  # not ours to read
        return []


def find_lesson(texts, names=None):
    """The cells of the notebook that has most of these texts, or () where two have as many.

    Of those in different folders the nearest; one that the editor names goes first.
    """
    named = named_lesson(names)
    cells = read_cells(named, named.stat().st_mtime_ns) if named else ()
    if texts & {cell.text for cell in cells}:
        return cells
    best, found = 0, ()
    for folder in dict.fromkeys(lesson_folders()):
        lessons = read_folder(folder)
        shared = [len(texts & {cell.text for cell in cells}) for cells in lessons]
        if max(shared, default=0) > best:
            best = max(shared)
            found = lessons[shared.index(best)] if shared.count(best) == 1 else ()
    return found


class Watch:
    """What was run in this kernel so far.

    texts    the texts of all cells that were run
    maker    {name: the text of the cell that made it last}
    broken   the texts of cells that were stopped or failed, and not run again since
    """

    def __init__(self, shell):
        self.shell, self.now = shell, ""
        self.texts, self.maker, self.broken = set(), {}, set()

    def look(self):
        """The lesson's cells, the one that is being run or None, and those above it, last first."""
        cells = find_lesson(self.texts | {self.now}, self.shell.user_ns)
        texts = [cell.text for cell in cells]
        if self.now not in texts:
            return cells, None, cells[::-1]
        k = texts.index(self.now)
        return cells, cells[k], cells[:k][::-1]

    def before(self, info):
        """Says in a sentence if something that the cell uses is not what it expects."""
        self.now = info.raw_cell.strip()
        cells, cell, above = self.look()
        texts, wrong = {cell.text for cell in cells}, {}
        for name in sorted(cell.uses & self.shell.user_ns.keys() if cell else ()):
            due, made = maker_of(name, above), self.maker.get(name)
            late = made in self.broken or (made != due.text and made in texts) if due else False
            if late and not is_whole(self.shell.user_ns[name]):
                wrong.setdefault(due, []).append(name)
        if wrong:
            first = max(wrong, key=above.index)  # above goes upwards
            print("[order]", sentence(wrong[first], "not what this cell expects", first))

    def after(self, result):
        """Notes who made which names."""
        text = result.info.raw_cell.strip()
        self.texts.add(text)
        self.maker |= dict.fromkeys(names_of(text)[0], text)
        (self.broken.discard if result.success else self.broken.add)(text)

    def explain(self, shell, kind, error, trace, tb_offset=None):
        """A NameError of a name that a cell above makes becomes a sentence; any other is shown."""
        _, _, above = self.look()
        due = maker_of(error.name, above)
        if due and kind is NameError:
            words = f"NameError: {sentence([error.name], 'not there yet', due)}"
            error._render_traceback_ = lambda: [words]
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def maker_of(name, above):
    """The first of these cells that makes the name, or None."""
    return next((cell for cell in above if name in cell.makes), None)


def is_whole(thing):
    """A function, a class or a module: there is no half of it."""
    return inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)


def sentence(names, state, due):
    named = " and ".join(f"`{name}`" for name in names)
    return (f"{named} {'is' if len(names) == 1 else 'are'} {state}: run {due} first, "
            "or all cells above this one (menu Run > Run All Above Selected Cell).")


@functools.cache
def watch(shell):
    """Watches the cells that this IPython shell runs from now on, once only."""
    watch = Watch(shell)
    shell.events.register("pre_run_cell", watch.before)
    shell.events.register("post_run_cell", watch.after)
    shell.set_custom_exc((NameError,), watch.explain)

"""The project as a whole: what imports what, what the README promises, how the code reads."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {  # ground < sprites < subject < stage < doors; in a wing each module has its floor too
    "commands": 0, "expect": 0, "interrupts": 0, "memory": 0, "pixels": 0.5,
    "sprites": 1,
    "schedule": 2, "noising": 3, "unet": 4, "votes": 5, "ideal": 4, "grammar": 4,
    "descent": 4, "sampling": 5, "solvers": 5.5, "files": 5, "checkpoints": 5.5, "weights": 6,
    "training": 6, "measure": 6,
    "stage.controlling": 6.5, "stage.frontier": 6.5, "stage.parts": 6.5, "stage.steering": 6.6,
    "stage.ledger": 6.5, "stage.dial": 6.6, "stage.composing": 6.65, "stage.impostors": 6.7,
    "stage.lines": 6.4, "stage.twins": 6.5, "stage.exhibits": 6.6, "stage.cases": 6.65,
    "stage.museum": 6.7, "stage.patches": 6.7, "stage.sloppy": 6.8,
    "stage.cabinet": 8, "stage.patients": 8.2,
    "stage.desk": 6.4, "stage.tables": 6.45, "stage.reference": 7, "stage.checks": 7,
    "stage.words": 7, "stage.given": 7, "stage.look": 7, "stage.axes": 7.2, "stage.sheet": 7.2,
    "stage.figures": 7.5,
    "stage.order": 7.5, "stage.additions": 7.5, "stage.sections": 7.5,
    "stage.player": 8, "stage.compared": 8, "stage.diagrams": 8, "stage.widgets": 8,
    "stage.lesson": 8, "stage.orders": 8, "stage.prose": 8, "stage.showing": 8.1,
    "stage.packing": 8.2, "stage.cues": 8.2, "stage.slides": 8.3, "stage.deck": 8.4,
    "stage.outside": 7, "stage.rehearsal": 8, "stage.timetable": 8, "stage.preflight": 8.6,
    "stage.handout": 8.6, "stage.grading": 8, "stage.class_page": 8.6,
    "train": 9, "present": 9, "__main__": 9,
}  # fmt: skip
SUBJECT = {name for name, floor in FLOORS.items() if 2 <= floor <= 6}
DOORS = {name for name, floor in FLOORS.items() if floor == 9}
MODULES = sorted((ROOT / "diffutils").rglob("*.py"))


def part_of(module):
    """The part of the package that a module `diffutils.a.b.c` belongs to: a, or stage.b."""
    names = module.split(".")[1:]
    return ".".join(names[:2] if names[:1] == ["stage"] else names[:1])


def name_of(path):
    """The module's name as one imports it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path):
    """Every `diffutils...` that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("diffutils"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = (ROOT / inner.replace(".", "/")).with_suffix(".py").exists()
                is_package = (ROOT / inner.replace(".", "/")).is_dir()
                yield inner if is_module or is_package else node.module
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("diffutils"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "diffutils")))
def test_imports_go_down_only(path):
    part = part_of(name_of(path))
    if part in ("", "stage"):  # the front doors of the packages
        return
    for module in imported_modules(path):
        other = part_of(module)
        assert other, f"{path.name} imports the package from inside"
        assert FLOORS[other] < FLOORS[part] or other == part, f"{path.name} imports {module}"
        assert other not in DOORS, f"{path.name} imports the command line {module}"


def test_every_module_has_its_floor_and_every_floor_its_module():
    assert {part_of(name_of(path)) for path in MODULES} - {"", "stage"} == set(FLOORS)


def test_no_module_of_the_subject_imports_from_the_stage():
    for path in MODULES:
        if part_of(name_of(path)) in SUBJECT:
            assert not any(m.startswith("diffutils.stage") for m in imported_modules(path)), path


def test_the_subject_is_as_small_as_the_readme_says():
    lines = sum(len((ROOT / "diffutils" / f"{name}.py").read_text().splitlines())
                for name in SUBJECT)
    said = re.search(r"The subject has ([0-9,]+) lines", (ROOT / "README.md").read_text())
    assert said and int(said[1].replace(",", "")) == lines <= 2400, lines
    assert len((ROOT / "diffutils" / "training.py").read_text().splitlines()) <= 350


def test_import_diffutils_loads_no_plotting_and_no_widgets_from_any_folder(tmp_path):
    code = (
        "import sys, diffutils\n"
        "print({'matplotlib', 'ipywidgets', 'PIL', 'psutil'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_the_code_and_the_notebooks_pass_ruff():
    ruff = shutil.which("ruff") or shutil.which("ruff", path=Path(sys.executable).parent)
    if ruff is None:
        pytest.skip("ruff is not installed")
    done = subprocess.run([ruff, "check", "--no-cache", ROOT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_two_commands_of_the_readme_name_files_that_are_there():
    commands = re.findall(
        r"```sh\n(.*?)\n```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S
    )
    opening, testing = (c for c in commands if "install -r requirements.txt" in c)
    assert opening.endswith("-m diffutils") and "[test]" in testing
    assert (ROOT / "requirements.txt").exists() and ".venv/bin/pytest" in testing


def test_requirements_pin_what_the_project_needs():
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    needs = re.findall(r'^    "([a-z]+)>=', (ROOT / "pyproject.toml").read_text(), re.M)
    for name in needs[: needs.index("jupyterlab") + 1]:
        assert re.search(rf"^{name}==", pins, re.M), name
    assert "torch==2.13.0" in pins
    for line in pins.splitlines():
        assert re.match(r"#|-e \.$|[a-z]+==\d", line), f"{line} has no version"


def test_importing_diffutils_lets_waiting_threads_sleep_unless_told_otherwise():
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    code = f"import os, diffutils; print(*[os.environ.get(name) for name in {names}])"
    for setting, expected in (
        ({}, "PASSIVE 1000"),
        ({"GOMP_SPINCOUNT": "5"}, "PASSIVE 5"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None"),
    ):
        environment = {k: v for k, v in os.environ.items() if k not in names} | setting
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_nothing_lies_at_the_top_but_what_belongs_there():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    assert {name.split("/")[0] for name in done.stdout.split("\0") if name} == {
        ".binder", ".ci", ".gitattributes", ".github", ".gitignore", "LICENSE", "README.md",
        "conftest.py", "diagrams", "diffutils", "notebooks", "pyproject.toml",
        "requirements.txt", "tests",
    }  # fmt: skip


def test_every_mutation_can_be_planted():
    """Each names a piece of the code as it is now; otherwise tests/mutation/run.py stops there."""
    sys.path.insert(0, str(ROOT / "tests" / "mutation"))
    try:
        from mutations import KNOWN_FAULTS, SLIPS
    finally:
        sys.path.pop(0)
    for mutation in (*KNOWN_FAULTS, *SLIPS):
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, mutation.name

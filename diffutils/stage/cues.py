"""What the cells of a lesson are to a class: a question, its answer, an exercise, a live run."""

import ast
import html
import re

from diffutils.stage.showing import code_height, code_pieces, is_player, picture_scale


def asked(cell):
    """(name, question) of a prediction that a cell asks for, or None."""
    found = calls(cell, "predict")
    return (found[0][0], found[0][1]) if found and len(found[0]) > 1 else None


def revealed(cell):
    """The names of the predictions that a cell answers, in order."""
    return [arguments[0] for arguments in calls(cell, "reveal") if arguments]


def calls(cell, name):
    """The constant arguments of each call `checks.name(...)` in a cell."""
    if cell.kind != "code":
        return []
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return []
    return [[getattr(a, "value", None) for a in node.args] for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and node.func.attr == name]  # fmt: skip


def is_note(line):
    """A line that only a student's own kernel has a use for."""
    return line.startswith(("[setup]", "[order]", "Your prediction", "not done yet"))


def is_live(cell):
    """A control that needs a kernel, or a picture that changes while the cell is running."""
    return "scrub-still" in "".join(cell.html()) or "display_id=" in cell.source


def is_silent(cell):
    """A code cell that shows nothing of its own on a slide."""
    return cell is not None and cell.kind == "code" and (
        "checks.ledger" in cell.source or not cell.outputs and "teach" not in cell.tags)


def choices_of(cell):
    """The answers that an exercise offers."""
    return [line.strip()[3:] for line in cell.printed() if re.match(r"\s+[a-z]\) ", line)]


def predict_html(cell):
    _, question = asked(cell) or ("", cell.source)
    return f"<p class=lead>Your prediction</p><p class=question>{html.escape(question)}</p>"


def leads_in(group, after):
    """Whether the prose is to stand on the slide of the cell that comes next.

    A short sentence stands above code or a wide picture; a live cell's text says what to do. A
    question stays by itself, since the class is to think before it sees.
    """
    if after is None or is_silent(after) or group[-1].kind != "paragraph":
        return False
    if is_live(after):  # the section's title runs above it
        kinds = [block.kind for block in group]
        return kinds in (["paragraph"], ["heading", "paragraph"]) and group[-1].lines < 9
    if len(group) > 1:
        return False
    if "?" in group[0].text or "predict" in after.tags:
        return False
    if "teach" in after.tags:
        return group[0].lines < 4 and code_height(code_pieces(after.source)[0]) <= 10
    shown, below = after.html(), len(after.printed())
    if not shown:
        return group[0].lines < 3 and 0 < below <= 6 and "exercise" not in after.tags
    return group[0].lines < 3 and below <= 2 and not is_player(shown[0]) and (
        picture_scale(shown[0], 575 - 100 - 35 * below) > 1.05)


def belongs_to(printed, after):
    """Whether printed lines are few enough to stand above the prose that explains them."""
    return (len(printed) <= 3 and after is not None and after.kind == "markdown"
            and not after.source.startswith(("#", "!", "**Exercise")) and after.lesson is None)


def split_exercise(parts):
    """(what stands before an exercise, its text): from where its name is, or all of it."""
    for k, block in enumerate(parts):
        if block.text.startswith("Exercise"):
            before = parts[:k]
            if k and block.kind != "heading" and parts[k - 1].kind == "heading":
                return parts[: k - 1], parts[k - 1 :]
            return before, parts[k:]
    return parts[:-1], parts[-1:]

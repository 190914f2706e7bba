"""Prose in pieces that fit a slide: cut at its paragraphs' borders, long ones at sentences."""

import re

from diffutils.stage.prose import SIZE, Block, blocks, count_lines
from diffutils.stage.showing import picture_html

FULL, LIST, MOST = 9.5, 12.5, 15.0  # lines that fill a slide of prose, of a list; the most
SIZES = {8.0: 38, 10.7: 34, 13.0: 30, 16.5: 27, 99.0: 24}  # up to so many lines: letters so large
DROPPED = re.compile(r"Sources\.|Going deeper\.|(previous|next): |back to ", re.IGNORECASE)
ASIDE = re.compile(r" ?\((?:[^()]|\([^()]*\))*\]\(deeper/[^)]*\)(?:[^()]|\([^()]*\))*\)")
POINTER = "](deeper/"  # in a clause that points to another notebook


def slide_blocks(source, folder):
    """The blocks of a cell without what is for a reader alone: sources, ways to other notebooks."""
    kept = [without_pointers(part) for part in re.split(r"\n\n+", ASIDE.sub("", source))]
    return [b for b in blocks("\n\n".join(kept), folder) if not DROPPED.match(b.text)]


def without_pointers(part):
    """A paragraph without the clauses that point to another notebook; a list stays as it is."""
    if POINTER not in part or re.match(r"[-*#|>]|\d+\.", part):
        return part
    clauses = [c for c in re.split(r"(?<=[.?!;])\s+", part) if POINTER not in c]
    return re.sub(r";$", ".", " ".join(clauses))


def packed(parts):
    """Blocks in groups that fit a slide; a heading begins one, a picture has one to itself."""
    pieces = [piece for part in parts for piece in smaller(part)]
    groups, lines = [], 0.0
    for k, block in enumerate(pieces):
        alone = block.kind == "picture" or groups and groups[-1][0].kind == "picture"
        whole = lines + list_lines(pieces[k:]) <= MOST  # a list that fits
        limit = MOST if whole else LIST if block.kind == "item" else FULL
        if unfinished(groups) and lines + block.lines <= MOST:
            limit = MOST
        full = lines + block.lines > limit and not only_heading(groups)
        if not groups or alone or full or block.kind == "heading":
            groups.append([])
            lines = 0.0
        groups[-1].append(block)
        lines = total_lines(groups[-1])
    return groups


def list_lines(parts):
    """How long the list is with which these blocks begin, or more than a slide if with none."""
    items = []
    for block in parts:
        if block.kind != "item":
            break
        items.append(block.lines)
    return sum(items) if items else 99.0


def total_lines(group):
    return sum(block.lines + (1.0 if block.kind == "heading" else 0) for block in group)


def only_heading(groups):
    return bool(groups) and all(block.kind == "heading" for block in groups[-1])


def unfinished(groups):
    """Whether the last sentence goes on in the next block, as before a formula on its own line."""
    last = groups[-1][-1] if groups else None
    return last is not None and last.kind == "paragraph" and last.text[-1] not in ".?!:;)\"'"


def smaller(block):
    """The block, or, where it is longer than a slide, its sentences in pieces."""
    if block.kind != "paragraph" or block.lines <= MOST:
        return [block]
    sentences = re.split(r"(?<=[.?])\s+(?=[A-Z<])", block.html.removeprefix("<p>")[:-4])
    half = len(sentences) // 2
    if not half:
        return [block]
    cut = [" ".join(sentences[:half]), " ".join(sentences[half:])]
    halves = [Block("paragraph", f"<p>{part}</p>", part, count_lines(part) + 0.6) for part in cut]
    return [piece for half in halves for piece in smaller(half)]


def group_html(group, more=0):
    """The blocks in letters as large as their lines allow, and so many lines more."""
    if group[0].kind == "picture":
        return picture_html(group[0].html)
    lines = total_lines(group) + more
    size = next(size for most, size in SIZES.items() if lines <= most)
    inner = "".join(block.html for block in group)
    return f'<div class=prose style="font-size:{size / SIZE:.3f}em">{inner}</div>'

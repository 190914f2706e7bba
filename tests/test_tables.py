"""The commands that measure: each part runs, and what it returns is built like the shipped table.

Sampling is what takes their hour; here it hands back forged sprites, whatever was asked for.
"""

import inspect

import pytest
import torch

from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites
from diffutils.stage import controlling, steering
from diffutils.stage.tables import made_by, rounded

TABLES = {"controlling": (controlling, controlling.controlling()),
          "steering": (steering, steering.steering())}  # fmt: skip
PARTS = [(name, part) for name, (module, _) in TABLES.items() for part in module.PARTS]


def built(x):
    """How a piece of a table is built: keys, lengths of lists, and what is a number or a text."""
    if isinstance(x, dict):
        return {key: built(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [built(value) for value in x]
    return "number" if isinstance(x, int | float) else type(x).__name__


@pytest.fixture
def quick(monkeypatch):
    """Sampling that is over at once; what it was called with."""
    asked, sprites = [], to_float(forge_sprites(500, 3)[0])
    signature = inspect.signature(controlling.draw)

    def draw(*given, **named):
        call = signature.bind(*given, **named)
        call.apply_defaults()
        asked.append(call.arguments)
        return sprites[torch.arange(call.arguments["n"]) % len(sprites)]

    def counts(ideal, n, *_, **__):
        found = torch.full((len(ideal.x0),), n // len(ideal.x0))
        return found, n - int(found.sum())

    for module in (controlling, steering):
        monkeypatch.setattr(module, "draw", draw)
        monkeypatch.setattr(module, "DRAWN", 50)
    monkeypatch.setattr(steering, "REAL", 200)
    monkeypatch.setattr(controlling, "guided_counts", counts)
    return asked


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_a_part_is_built_like_the_shipped_table(name, part, quick):
    module, table = TABLES[name]
    found = module.PARTS[part](lambda *_: None)
    assert built(found) == built(table[part])
    assert quick or part == "law"  # which asks its own ideals


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_what_made_it(name):
    assert TABLES[name][1]["command"] == made_by(name)["command"]


def test_numbers_are_rounded_to_digits_wherever_they_are():
    assert rounded(0.0123456) == 0.01235 and rounded(123456.0, 2) == 120000.0
    assert rounded([(1.23456, 7), [99999]], 3) == [[1.23, 7], [99999]]

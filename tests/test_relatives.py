"""Relatives differ in one choice, are legal, and none is missing."""

import numpy as np
import pytest

from diffutils.sprites import forge_sprites, render
from diffutils.sprites.forge import ROLES, SLOT_FIELDS, class_table, palette_counts
from diffutils.sprites.relatives import relatives


@pytest.mark.parametrize("row", range(5))
def test_relatives_are_legal_and_look_different_from_the_sprite_and_each_other(row):
    images, _, factors = forge_sprites(5, seed=3)
    drawn = render(relatives(factors[row : row + 1]))
    everyone = np.concatenate([images[row : row + 1], drawn]).reshape(len(drawn) + 1, -1)
    assert len(np.unique(everyone, axis=0)) == len(drawn) + 1


@pytest.mark.parametrize("row", range(5))
def test_relatives_differ_in_one_part_or_in_one_palette_alone(row):
    factors = forge_sprites(5, seed=3)[2][row : row + 1]
    for relative in relatives(factors):
        parts = sum(relative[field] != factors[field][0] for field in SLOT_FIELDS)
        palettes = sum(relative[role] != factors[role][0] for role in ROLES)
        assert parts == 1 or (parts == 0 and palettes == 1)


def test_every_other_palette_and_every_other_body_is_among_the_relatives():
    factors = forge_sprites(1, seed=3, classes=["food"])[2]
    found = relatives(factors)
    same_parts = np.all([found[field] == factors[field] for field in SLOT_FIELDS], axis=0)
    shown = np.array([factors[role][0] >= 0 for role in ROLES])
    assert same_parts.sum() == (palette_counts()[shown] - 1).sum()
    assert set(found["slot_0"]) == set(range(len(class_table("food").part_names[0])))


def test_only_one_sprite_has_relatives():
    with pytest.raises(ValueError, match=r"relatives: factors has shape \(2,\); expected \(1,\)"):
        relatives(forge_sprites(2, seed=0)[2])

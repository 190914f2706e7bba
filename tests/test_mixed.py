"""Two classes in one picture: composed examples, whole sprites, noise; patches against scipy."""

import numpy as np
import pytest
from scipy import ndimage

from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.forge import CLASSES, FACTORS, render
from diffutils.sprites.judge import different_parts
from diffutils.sprites.mixed import PIECE, largest_patch, read_as, shows_pieces, verdicts

PAIRS = [("hero", "food"), ("food", "spell"), ("hero", "side-facing"), ("hero", "non-hero")]


def some(name, n=40, seed=3):
    return forge_sprites(n, seed, classes=[name])[0]


def halves(one, other):
    """The upper half of each of `one` on the lower half of the other."""
    made = one.copy()
    made[:, 8:] = other[:, 8:]
    return made


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_whole_sprite_is_of_its_class_and_of_neither_where_that_is_a_third(one, other):
    for name in CLASSES:
        wanted = name if name in (one, other) else "neither"
        assert (verdicts(some(name), one, other) == wanted).all()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_most_pictures_made_of_two_halves_are_both_whichever_comes_first(one, other):
    made = [halves(some(one), some(other)), halves(some(other), some(one))]
    said = np.concatenate([verdicts(pictures, one, other) for pictures in made])
    assert (said == "both").mean() > 0.5
    swapped = verdicts(np.concatenate(made), other, one)
    assert ((swapped == "both") == (said == "both")).all()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_sprites_laid_over_each_other_and_noise_are_no_hybrids(one, other):
    laid = ((some(one).astype(int) + some(other)) // 2).astype(np.uint8)
    assert (verdicts(laid, one, other) != "both").mean() > 0.97
    noise = np.random.default_rng(0).integers(0, 256, laid.shape).astype(np.uint8)
    assert (verdicts(noise, one, other) == "neither").all()


def test_a_sprite_with_a_few_wrong_pixels_stays_of_its_class_and_a_part_of_another_does_not():
    heroes, foods = some("hero"), some("food")
    scratched = heroes.copy()
    scratched[:, 0, : PIECE - 2] = foods[:, 11, : PIECE - 2]  # too few pixels for a piece
    assert (verdicts(scratched, "hero", "food") == "hero").all()
    assert (shows_pieces(heroes, "hero", "food") == [True, False]).all()
    assert (shows_pieces(halves(heroes, foods), "hero", "food").sum(1) == 2).mean() > 0.55


def test_the_closest_sprite_of_a_class_is_the_judges_where_that_is_its_class():
    noisy = some("hero", 20).astype(int)
    noisy = np.clip(noisy + np.random.default_rng(1).integers(-60, 61, noisy.shape), 0, 255)
    noisy = noisy.astype(np.uint8)
    read = judge(noisy)
    for name in CLASSES:
        same = read.class_ == CLASSES.index(name)
        ours = read_as(noisy, name)
        assert (ours[same] == read.factors[same]).all()
        error = ((render(ours).astype(int) - noisy) ** 2).sum((1, 2, 3))
        best = ((render(read.factors).astype(int) - noisy) ** 2).sum((1, 2, 3))
        assert (error >= best).all()


def test_the_closest_sprite_of_a_class_is_found_by_brute_force():
    every, _, factors = forge_sprites(400, 8, classes=["food"])
    picture = some("hero", 1)
    ours = render(read_as(picture, "food")).astype(int)
    least = ((every.astype(int) - picture) ** 2).sum((1, 2, 3)).min()
    assert ((ours - picture) ** 2).sum() <= least


def test_the_largest_patch_is_that_of_scipy():
    masks = np.random.default_rng(2).random((50, 16, 16)) < 0.5
    masks[0], masks[1] = False, True
    for mask, size in zip(masks, largest_patch(masks), strict=True):
        labels, count = ndimage.label(mask)
        assert size == max([(labels == k).sum() for k in range(1, count + 1)], default=0)


def test_no_pictures_get_no_verdicts():
    none = np.empty((0, 16, 16, 3), np.uint8)
    assert len(verdicts(none, "hero", "food")) == 0 and len(read_as(none, "food")) == 0


def test_one_class_twice_or_an_unknown_one_is_refused():
    with pytest.raises(ValueError, match="shows_pieces: one and other are both 'food'"):
        verdicts(some("food", 1), "food", "food")
    with pytest.raises(ValueError, match="read_as: class_ is 'cake'"):
        verdicts(some("food", 1), "food", "cake")


def test_different_parts_are_counted_class_by_class_and_role_by_role():
    factors = np.full(3, -1, np.int16).astype(FACTORS)
    factors["class"] = [0, 0, 2]
    factors["slot_0"], factors["slot_1"] = [1, 1, 1], [4, 5, -1]
    factors["skin"] = [3, 4, 3]
    assert different_parts(factors) == 1 + 2 + 1 + 2
    assert different_parts(factors[:0]) == 0
    with pytest.raises(ValueError, match="different_parts: factors"):
        different_parts([1, 2])

"""The judge on forged sprites, on small grammars against brute force, and on foreign pictures."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from diffutils.sprites import forge
from diffutils.sprites.closest import closest_sprites
from diffutils.sprites.judge import (
    CLOSEST,
    ROUNDING,
    TOLERANCE,
    Share,
    all_shapes,
    class_agreement,
    copied,
    coverage,
    flawless,
    held_out,
    is_held_out,
    judge,
    novel,
    seen,
    squared_errors,
    weigh,
)

REAL = Path(__file__).parents[2] / "shared" / "data" / "dungeon_sprites_16x16.npy"


@pytest.fixture(scope="module")
def forged():
    """20,000 sprites of the whole grammar and their factors."""
    images, _, factors = forge.forge_sprites(20_000, 7, split="all")
    return images, factors


def add_noise(images, largest, seed=0):
    """Whole grey levels, uniform in -largest..largest, added and clipped to 0..255."""
    noise = np.random.default_rng(seed).integers(-largest, largest + 1, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def alike(factors, others):
    return (factors == others).all()


# --- what the judge promises, on the whole grammar ---


def test_twenty_thousand_forged_sprites_are_read_back_with_every_factor_right(forged):
    images, factors = forged
    verdict = judge(images)
    assert alike(verdict.factors, factors)
    assert alike(verdict.class_, factors["class"])
    assert verdict.flawless.all() and (verdict.correct == 1).all()
    assert (verdict.worst_error == 0).all() and (verdict.mean_error == 0).all()


def test_noise_of_half_the_tolerance_changes_no_factor(forged):
    images, factors = forged
    verdict = judge(add_noise(images, TOLERANCE // 2))
    assert alike(verdict.factors, factors)
    assert verdict.flawless.all()
    assert verdict.worst_error.max() == TOLERANCE // 2
    assert np.isfinite(verdict.mean_error).all() and verdict.mean_error.min() > 0


def test_noise_of_the_whole_tolerance_stays_flawless_and_one_level_more_is_not(forged):
    images, factors = forged[0][:512], forged[1][:512]
    verdict = judge(add_noise(images, TOLERANCE))
    assert alike(verdict.factors, factors) and verdict.flawless.all()
    spoiled = images.copy()
    spoiled[:, 8, 8, 1] = np.where(images[:, 8, 8, 1] > 127, images[:, 8, 8, 1] - TOLERANCE - 1,
                                   images[:, 8, 8, 1] + TOLERANCE + 1)
    verdict = judge(spoiled)
    assert alike(verdict.factors, factors) and not verdict.flawless.any()
    assert (verdict.correct == 255 / 256).all() and (verdict.worst_error == TOLERANCE + 1).all()
    np.testing.assert_allclose(verdict.mean_error, (TOLERANCE + 1) / 768)


def test_the_two_closest_sprites_of_the_grammar_are_found_and_told_apart(capsys):
    pair = closest_sprites()
    with capsys.disabled():
        print(f"\nclosest legal sprites: {pair}\ntolerance {TOLERANCE}")
    images = forge.render(pair.factors)
    first, second = images.astype(int)
    assert np.abs(first - second).max() == pair.distance
    assert pair.distance == CLOSEST, "the art has changed: set CLOSEST in judge.py to this distance"
    assert TOLERANCE == (CLOSEST - 1) // 2 >= 24
    toward = np.clip(second - first, -TOLERANCE, TOLERANCE)
    moved = np.stack([first + toward, second - toward]).astype(np.uint8)
    for pictures in (images, moved):
        verdict = judge(pictures)
        assert alike(verdict.factors, pair.factors) and verdict.flawless.all()


def test_white_noise_is_never_flawless():
    noise = np.random.default_rng(0).integers(0, 256, (1000, 16, 16, 3), np.uint8)
    assert not judge(noise).flawless.any()
    floats = torch.randn(500, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert not judge(floats).flawless.any()


@pytest.mark.parametrize("across", [1, 2], ids=["top and bottom", "left and right"])
def test_halves_of_two_classes_are_never_flawless(across):
    images, contexts, _ = forge.forge_sprites(2000, 1, split="all")
    others = np.roll(images, 1, axis=0)  # classes take turns, so the neighbour's differs
    assert (contexts * np.roll(contexts, 1, axis=0)).sum() == 0
    halves = np.concatenate(
        [np.split(images, 2, axis=across)[0], np.split(others, 2, axis=across)[1]], axis=across
    )
    assert not judge(halves).flawless.any()


def test_a_blurred_sprite_is_never_flawless():
    images = forge.forge_sprites(1000, 2, split="all")[0].astype(float)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    blurred = sum(padded[:, 1 + dy : 17 + dy, 1 + dx : 17 + dx] for dy in (-1, 0, 1)
                  for dx in (-1, 0, 1)) / 9
    assert not judge(np.rint(blurred).astype(np.uint8)).flawless.any()


@pytest.mark.skipif(not REAL.exists(), reason=f"real sprites are not at {REAL}")
def test_real_sprites_of_others_are_never_flawless():
    verdict = judge(np.load(REAL, allow_pickle=False))
    assert not verdict.flawless.any()
    assert ((verdict.correct >= 0) & (verdict.correct < 1)).all()


def test_a_batch_takes_at_most_50_megabytes(forged):
    clear_caches()
    tracemalloc.start()
    judge(forged[0][:256])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # 24 MB of it stay: the tables of all shapes


def spoil_one_pixel(images):
    spoiled = images.copy()
    spoiled[:, 8, 8] = 255 - spoiled[:, 8, 8]
    return spoiled


# --- against brute force, on small random grammars ---


def clear_caches():
    for name in ("forge", "judge"):
        for value in vars(sys.modules[f"diffutils.sprites.{name}"]).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@pytest.fixture(params=[255, 254, 110, 109, 70, 69])
def small_grammar(request, tmp_path, monkeypatch):
    """A random grammar as art files, its colours below a level; all sprites (images, factors)."""
    write_random_art(tmp_path, np.random.default_rng(request.param), spread=request.param)
    monkeypatch.setattr(forge, "ART", tmp_path)
    clear_caches()
    factors = np.concatenate([all_factors(name) for name in forge.CLASSES])
    yield forge.render(factors), factors
    monkeypatch.undo()
    clear_caches()


def write_random_art(folder, rng, spread):
    """Two or three parts in each of two slots a class, in random letters and colours.

    The parts of a slot differ in two pixels, or not at all, so that shapes come close too.
    """
    lines = []
    for role in forge.ROLES:
        for k in range({"skin": 3, "hair": 2, "main": 3}.get(role, 1)):
            tones = ["#" + rng.integers(0, spread, 3, np.uint8).tobytes().hex() for _ in range(3)]
            lines.append(f"palette {role} p{k} {' '.join(tones)}")
    (folder / "palettes.txt").write_text("\n".join(lines))
    for name in forge.CLASSES:
        blocks = [f"slots {name} back front"]
        for slot, count in (("back", 2), ("front", 3)):
            letters = rng.choice(list("..owiSszHhAaqM"), (5, 5))
            row, column = rng.integers(0, 4, 2)
            for k in range(count):
                picture = "\n".join("".join(line) for line in letters)
                letters.flat[rng.integers(0, 25, 2)] = rng.choice(list("owiSszHhAaqM"), 2)
                blocks.append(f"part {name} {slot} p{k} {row} {column}\n{picture}")
        (folder / f"{name}.txt").write_text("\n\n".join(blocks) + "\n")


def all_factors(name):
    """The factors of every sprite of a class."""
    table = forge.class_table(name)
    shapes = np.repeat(range(len(table.sprites)), table.sprites)
    codes = np.concatenate([range(count) for count in table.sprites])
    return forge.class_factors(table, shapes, codes)


def pictures_about(sprites, rng):
    """Sprites under noise of many kinds, and pictures between two sprites."""
    first, second = sprites[rng.integers(0, len(sprites), (2, 60))].astype(float)
    toward = np.clip(second - first, -TOLERANCE, TOLERANCE)
    return np.clip(
        np.concatenate([
            first,
            first + rng.integers(-TOLERANCE, TOLERANCE + 1, first.shape),
            first + toward,
            first + 1.05 * toward,
            first + rng.normal(0, 60, first.shape),
            np.where(rng.random(first.shape) < 0.5, first, second),
            rng.integers(0, 256, first.shape),
        ]), 0, 255
    ).astype(np.uint8)


def test_the_judge_agrees_with_a_comparison_with_every_sprite(small_grammar, request):
    sprites, factors = small_grammar
    pictures = pictures_about(sprites, np.random.default_rng(0))
    verdict = judge(pictures)
    drawn = forge.render(verdict.factors).astype(int)
    rescued = 0
    for picture, read, is_flawless in zip(pictures, drawn, verdict.flawless, strict=True):
        difference = np.abs(picture.astype(int) - sprites)
        squared = (difference**2).sum((1, 2, 3))
        fits = (difference <= TOLERANCE).all((1, 2, 3))
        assert is_flawless == fits.any()
        if is_flawless:
            assert np.abs(picture - read).max() <= TOLERANCE
            rescued += not fits[squared.argmin()]
        else:
            assert ((picture - read) ** 2).sum() == squared.min()
    if request.node.callspec.params["small_grammar"] < 100:  # many sprites are close
        assert rescued > 0, "no picture tried a sprite that is near but not nearest in squares"


def test_the_errors_in_float32_are_as_near_the_exact_ones_as_promised():
    images = forge.forge_sprites(20, 9, split="all")[0]
    noise = np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), np.uint8)
    images = np.concatenate([images, noise, np.zeros((1, 16, 16, 3), np.uint8)])
    images = images.reshape(-1, 256, 3)
    errors, shapes = squared_errors(images), all_shapes()
    for picture, column in zip(images, errors.T, strict=True):
        some = np.random.default_rng(0).integers(0, len(shapes.class_), 300)
        exact = weigh(shapes.labels(some), np.repeat(picture[None], len(some), axis=0))[0]
        assert (exact == np.rint(exact)).all()
        assert np.abs(column[some] - exact).max() < ROUNDING / 2


def test_the_search_finds_the_distance_that_all_pairs_have_at_least(small_grammar):
    sprites, _ = small_grammar
    pixels = sprites.reshape(len(sprites), -1).astype(np.int16)
    distances = [np.abs(pixels[k] - pixels[k + 1 :]).max(1).min() for k in range(len(pixels) - 1)]
    pair = closest_sprites()
    assert pair.distance == min(distances)
    first, second = forge.render(pair.factors).astype(int)
    assert np.abs(first - second).max() == pair.distance
    assert not alike(pair.factors[:1], pair.factors[1:])


# --- forms of input ---


def test_floats_arrays_and_tensors_are_read_like_grey_levels(forged):
    images, factors = forged[0][:40], forged[1][:40]
    floats = images.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    for form in (floats, torch.from_numpy(floats), torch.from_numpy(images), floats * 1.0001):
        verdict = judge(form)
        assert alike(verdict.factors, factors)
        assert (verdict.worst_error == 0).all()
    graded = torch.from_numpy(floats).requires_grad_()
    assert judge(graded * 1).flawless.all()


def test_no_pictures_give_an_empty_verdict():
    verdict = judge(np.empty((0, 16, 16, 3), np.uint8))
    assert len(verdict.factors) == len(verdict.correct) == len(verdict.flawless) == 0
    assert str(flawless(verdict)) == "0 of 0"


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((2, 3, 16, 16), np.uint8), ValueError, r"\(2, 3, 16, 16\); expected \('n', 16"),
        (np.zeros((2, 16, 16, 3)), ValueError, r"expected \('n', 3, 16, 16\) for float64"),
        (np.zeros((3, 16, 16)), ValueError, "shape"),
        (np.zeros((2, 16, 16, 3), int), TypeError, "holds int64; expected uint8 or floats"),
        (np.full((1, 3, 16, 16), np.nan), ValueError, "not finite"),
        (None, TypeError, "holds object"),
    ],
)
def test_other_forms_are_refused_with_what_was_expected(images, error, message):
    with pytest.raises(error, match=message):
        judge(images)


# --- summaries ---


@pytest.mark.parametrize(("count", "total"), [(0, 10), (10, 10), (3, 10), (512, 544), (1, 1)])
def test_the_interval_is_wilsons(count, total):
    expected = binomtest(count, total).proportion_ci(method="wilson")
    share = Share(count, total)
    np.testing.assert_allclose([share.low, share.high], expected, atol=1e-7)
    assert share.share == count / total


def test_a_share_reads_as_percent_with_its_interval():
    assert str(Share(512, 544)) == "94.1 % (91.8..95.8), 512 of 544"
    assert (Share(0, 0).low, Share(0, 0).high) == (0, 1) and np.isnan(Share(0, 0).share)


@pytest.fixture(scope="module")
def trained():
    """400 training sprites, 100 others of "train", 100 with held-out pairs, 50 spoiled."""
    images, contexts, factors = forge.forge_sprites(500, 3)
    kept = forge.forge_sprites(100, 3, split="held_out")
    spoiled = spoil_one_pixel(images[:50])
    pictures = np.concatenate([images, kept[0], spoiled])
    asked = np.concatenate([contexts, kept[1], contexts[:50]])
    return judge(pictures), factors[:400], asked


def test_flawless_novel_copied_and_held_out_are_counted(trained):
    verdict, training, _ = trained
    assert (flawless(verdict).count, flawless(verdict).total) == (600, 650)
    assert (novel(verdict, training).count, novel(verdict, training).total) == (200, 600)
    assert (copied(verdict, training).count, copied(verdict, training).total) == (400, 650)
    assert (held_out(verdict).count, held_out(verdict).total) == (100, 600)
    assert is_held_out(verdict.factors)[500:600].all()
    assert seen(verdict.factors, training)[:400].all()


def test_class_agreement_counts_only_contexts_with_one_largest_class(trained):
    verdict, _, asked = trained
    assert class_agreement(verdict, torch.from_numpy(asked)).share == 1
    assert class_agreement(verdict, np.roll(asked, 1, axis=1)).count == 0
    mixed = asked.copy()
    mixed[:10] = [0.5, 0.5, 0, 0, 0]
    mixed[10:20] = 0
    assert class_agreement(verdict, mixed).total == 630
    with pytest.raises(ValueError, match=r"shape \(3, 5\); expected \(650, 5\)"):
        class_agreement(verdict, asked[:3])


def test_coverage_is_the_share_of_training_sprites_whose_value_was_drawn(trained):
    verdict, training, _ = trained
    assert all(share.share == 1 for share in coverage(verdict, training).values())
    images, _, factors = forge.forge_sprites(40, 5, classes="hero")
    found = coverage(judge(images), training)
    assert found["class"].share == 0.2 and found["food body"].count == 0
    slot = forge.class_table("hero").slots[0]
    hero = training[training["class"] == 0]
    drawn = np.isin(hero["slot_0"], factors["slot_0"]).sum()
    assert found[f"hero {slot}"] == Share(drawn, len(hero))
    assert found["skin"].total == (training["skin"] >= 0).sum()
    spoiled = coverage(judge(spoil_one_pixel(images)), training)
    assert all(share.count == 0 for share in spoiled.values())

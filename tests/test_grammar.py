"""The denoiser of the whole grammar against a list of sprites that can still be written down."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from diffutils import (
    NoiseSchedule,
    linear_schedule,
    perturb_input,
    rescale_zero_terminal_snr,
)
from diffutils.grammar import GrammarDenoiser
from diffutils.measure import loss_by_level
from diffutils.pixels import to_float
from diffutils.sprites import forge, forge_sprites, render
from diffutils.sprites.forge import CLASSES, PLAIN_COLOURS, ROLES, class_factors, class_table

SCHEDULE = linear_schedule()
FEW = {"hero": [3, 900], "spell": [10, 200, 500, 700], "food": [40, 1000]}  # shapes of classes


@pytest.fixture(scope="module")
def small():
    """A GrammarDenoiser that believes in eight shapes alone, all equally likely."""
    ideal = GrammarDenoiser(schedule=SCHEDULE, split="all")
    for name, part in zip(CLASSES, ideal.classes, strict=True):
        part.prior = torch.full_like(part.prior, -torch.inf)
        part.prior[FEW.get(name, [])] = 0.0
    return ideal


@pytest.fixture(scope="module")
def listed():
    """(every sprite of the eight shapes, its probability, up to a constant, and its class)."""
    images, chances, classes = [], [], []
    for name, shapes in FEW.items():
        table = class_table(name)
        for shape in shapes:
            count = int(table.sprites[shape])
            factors = class_factors(table, np.full(count, shape), np.arange(count))
            images.append(to_float(render(factors)))
            chances.append(torch.full((count,), 1 / count, dtype=torch.float64))
            classes.append(torch.full((count,), CLASSES.index(name)))
    return torch.cat(images), torch.cat(chances), torch.cat(classes)


def slow_shares(x_t, i, sprites, chances):
    """(B, N) float64, the share of each sprite of the written list by Bayes' rule."""
    alpha_bar = SCHEDULE.alpha_bar[i]
    apart = torch.stack([((x - alpha_bar.sqrt() * sprites.double()) ** 2).flatten(1).sum(1)
                         for x in x_t.double()])
    return torch.softmax(chances.log() - apart / (2 * (1 - alpha_bar)), dim=1)


def slow_average(x_t, i, sprites, chances):
    """(B, 3, 16, 16) the average over the written list."""
    shares = slow_shares(x_t, i, sprites, chances)
    return torch.einsum("bn,nchw->bchw", shares, sprites.double()).float()


@pytest.mark.parametrize("i", [100, 300, 430, 500])
def test_its_guess_is_the_average_over_the_written_list(small, listed, i, generator):
    sprites, chances, _ = listed
    x0 = sprites[torch.randint(len(sprites), (6,), generator=generator)]
    x_t = perturb_input(x0, i, torch.randn(x0.shape, generator=generator), schedule=SCHEDULE)
    guess = small.guess_x0(x_t, i)
    assert torch.isfinite(guess).all()
    assert_close(guess, slow_average(x_t, i, sprites, chances), rtol=0, atol=2e-3)


def entropy(shares):
    """In bits, over the last dimension."""
    return -torch.special.xlogy(shares, shares).sum(-1) / np.log(2)


def gathered(shares, groups):
    """(B, N) shares of sprites, summed over those of one group."""
    return torch.stack([shares[:, groups == k].sum(1) for k in groups.unique()], dim=1)


@pytest.mark.parametrize("i", [100, 300, 430, 500])
def test_the_bits_left_open_are_the_entropies_of_the_written_list(small, listed, i, generator):
    sprites, chances, classes = listed
    counts = [int(class_table(name).sprites[shape]) for name in FEW for shape in FEW[name]]
    shapes = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    x0 = sprites[torch.randint(len(sprites), (20,), generator=generator)]  # two chunks
    x_t = perturb_input(x0, i, torch.randn(x0.shape, generator=generator), schedule=SCHEDULE)
    shares = slow_shares(x_t, i, sprites, chances)
    of_class, of_shape = entropy(gathered(shares, classes)), entropy(gathered(shares, shapes))
    left = small.bits_left(x_t, i)
    assert list(left) == ["class", "shape", "palettes"]
    assert_close(left["class"], of_class, rtol=0, atol=2e-3)
    assert_close(left["shape"], of_shape - of_class, rtol=0, atol=2e-3)
    assert_close(left["palettes"], entropy(shares) - of_shape, rtol=0, atol=5e-3)


@pytest.mark.parametrize("i", [100, 430, 500])
def test_the_posterior_is_that_of_the_written_list(small, listed, i, generator):
    """By the slow sum: of classes, of shapes, and of the palettes of each role."""
    sprites, chances, classes = listed
    x0 = sprites[torch.randint(len(sprites), (20,), generator=generator)]  # two chunks
    x_t = perturb_input(x0, i, torch.randn(x0.shape, generator=generator), schedule=SCHEDULE)
    shares, found = slow_shares(x_t, i, sprites, chances), small.posterior(x_t, i)
    factors = np.concatenate([listed_factors(name) for name in FEW])
    firsts = np.cumsum([0, *(len(class_table(name)) for name in CLASSES)])
    shapes = torch.tensor([firsts[CLASSES.index(name)] + shape for name in FEW
                           for shape in FEW[name] for _ in range(class_table(name).sprites[shape])])
    of_shape = torch.zeros(20, firsts[-1], dtype=torch.float64).index_add_(1, shapes, shares)
    of_class = torch.zeros(20, 5, dtype=torch.float64).index_add_(1, classes, shares)
    assert_close(found["class"], of_class, rtol=0, atol=1e-4)
    assert_close(found["shape"], of_shape, rtol=0, atol=1e-4)
    several = [role for role, count in zip(ROLES, forge.palette_counts(), strict=True) if count > 1]
    assert set(found) == {"class", "shape", *several}
    for role in several:
        values = torch.from_numpy(factors[role].astype(np.int64))
        expected = torch.stack([shares[:, values == k].sum(1)
                                for k in range(found[role].shape[1])], dim=1)  # fmt: skip
        assert_close(found[role], expected, rtol=0, atol=1e-4)


def listed_factors(name):
    """The factors of the written list, of one class."""
    table = class_table(name)
    counts = [int(table.sprites[shape]) for shape in FEW[name]]
    return np.concatenate([class_factors(table, np.full(count, shape), np.arange(count))
                           for shape, count in zip(FEW[name], counts, strict=True)])


def test_of_all_cases_with_a_belief_so_many_are_true_as_it_says():
    """Calibrated, by Monte Carlo on the full grammar: class, shape and each role's palettes."""
    images, contexts, factors = forge_sprites(400, seed=9)
    x0 = to_float(images)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(9))
    x_t = perturb_input(x0, 430, noise, schedule=SCHEDULE)
    found = GrammarDenoiser(schedule=SCHEDULE).posterior(x_t, 430)
    counts = [len(class_table(name)) for name in CLASSES]
    shapes = np.empty(400, int)
    for k, name in enumerate(CLASSES):
        rows = factors["class"] == k
        shapes[rows] = sum(counts[:k]) + forge.shape_index(class_table(name), factors[rows])
    true = {"class": contexts.argmax(1), "shape": shapes}
    true |= {role: factors[role].astype(int) for role in found if role in ROLES}
    for name, belief in found.items():
        shows = torch.from_numpy(true[name] >= 0)
        right = belief[shows, true[name][shows]].sum()
        # what is believed of the truth has, on average, the size of what is believed of anything:
        # E p(truth) = E sum p^2; a belief that is too sure or too modest breaks it
        apart = torch.where(shows, belief[torch.arange(400), true[name]], 0) - (belief**2).sum(1)
        error = float(apart.std() / 20)
        assert 0 < right and abs(float(apart.mean())) < 3.5 * error < 0.15, name


def test_a_roles_row_adds_up_to_the_probability_that_it_shows():
    noise = torch.randn(20, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    x_t = perturb_input(to_float(forge_sprites(20, seed=4)[0]), 470, noise, schedule=SCHEDULE)
    found = GrammarDenoiser(schedule=SCHEDULE).posterior(x_t, 470)
    shows = torch.from_numpy(np.concatenate([class_table(name).shows for name in CLASSES]))
    for role in set(found) & set(ROLES):
        expected = found["shape"] @ shows[:, ROLES.index(role)].double()
        assert_close(found[role].sum(1), expected, rtol=0, atol=1e-4)


def test_before_anything_is_seen_the_training_sprites_hold_20_188_bits():
    faint = NoiseSchedule([0.9] * 12)  # alpha_bar ends at 1e-12
    left = GrammarDenoiser(schedule=faint).bits_left(torch.zeros(1, 3, 16, 16), 12)
    assert float(left["class"]) == pytest.approx(np.log2(5), abs=1e-3)
    shapes = np.mean([np.log2((~class_table(name).held_out).sum()) for name in CLASSES])
    assert float(left["shape"]) == pytest.approx(shapes, abs=2e-3)
    assert float(sum(left.values())) == pytest.approx(20.188, abs=2e-3)


def test_the_bits_left_are_as_many_as_the_belief_in_the_true_class_says():
    """Calibrated: on average, -log2 of the share of the truth is the entropy (Monte Carlo)."""
    images, contexts, _ = forge_sprites(400, seed=9)
    x0 = to_float(images)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(9))
    x_t = perturb_input(x0, 430, noise, schedule=SCHEDULE)
    ideal = GrammarDenoiser(schedule=SCHEDULE)
    shares = torch.cat([torch.stack([part.double().sum(0) for part in of_shapes], dim=1)
                        for _, _, of_shapes in ideal.in_chunks("test", x_t, 430, None)])
    surprise = -(shares * torch.as_tensor(contexts)).sum(1).log2()
    expected, error = float(surprise.mean()), float(surprise.std() / 20)
    assert abs(float(ideal.bits_left(x_t, 430)["class"].mean()) - expected) < 3 * error < 0.3


@pytest.mark.parametrize("i", [470, 500])
@pytest.mark.parametrize("weights", [
    {"hero": 1}, {"food": 2.5}, {"hero": 1, "food": 0.6}, {"hero": 1, "food": 1, "spell": 8},
])
def test_given_classes_its_guess_is_the_average_over_those(small, listed, i, weights, generator):
    sprites, chances, classes = listed
    c = torch.tensor([[float(weights.get(name, 0)) for name in CLASSES]])
    x0 = sprites[torch.randint(len(sprites), (6,), generator=generator)]
    x_t = perturb_input(x0, i, torch.randn(x0.shape, generator=generator), schedule=SCHEDULE)
    expected = slow_average(x_t, i, sprites, chances * c[0, classes])
    assert_close(small.guess_x0(x_t, i, c), expected, rtol=0, atol=2e-3)
    assert (small.guess_x0(x_t, i) - expected).abs().max() > 0.02  # and it makes a difference


def test_each_picture_may_have_classes_of_its_own(small, listed, generator):
    x_t = torch.randn(20, 3, 16, 16, generator=generator)
    c = torch.eye(5)[[0, 2] * 10]  # two chunks
    both = small(x_t, 0.9, c)
    for k in (0, 1, 18, 19):
        assert_close(both[k : k + 1], small(x_t[k : k + 1], 0.9, c[k : k + 1]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_where_no_signal_is_left_it_answers_the_average_of_equally_likely_classes(split):
    """By hand: the mean colour of each letter, over the shapes of a class, over the classes."""
    palettes = [[colour] for colour in PLAIN_COLOURS]
    palettes += [colour for role in ROLES for colour in forge.palettes()[role][1].swapaxes(0, 1)]
    colours = np.stack([np.mean(colour, axis=0) for colour in palettes])  # (34, 3)
    tables = [class_table(name) for name in CLASSES]
    kept = [t.labels()[t.held_out == (split == "held_out")] for t in tables]
    average = np.mean([colours[labels].mean(0) for labels in kept], axis=0)  # (256, 3)
    expected = torch.from_numpy(average / 127.5 - 1).T.reshape(1, 3, 16, 16).float()
    faint = NoiseSchedule([0.9] * 12)  # alpha_bar ends at 1e-12
    ideal = GrammarDenoiser(schedule=faint, split=split)
    guess = ideal.guess_x0(torch.zeros(1, 3, 16, 16), 12)
    assert_close(guess, expected, rtol=0, atol=1e-3)


def test_with_little_noise_it_returns_the_sprite_itself(generator):
    ideal = GrammarDenoiser(schedule=SCHEDULE)
    x0 = to_float(forge_sprites(10, seed=3)[0])
    x_t = perturb_input(x0, 60, torch.randn(x0.shape, generator=generator), schedule=SCHEDULE)
    assert_close(ideal.guess_x0(x_t, 60), x0, rtol=0, atol=0.02)


def test_the_loss_is_lower_where_the_sprites_come_from_the_split_it_knows(generator):
    held_out = to_float(forge_sprites(30, seed=3, split="held_out")[0])
    at_home = GrammarDenoiser(schedule=SCHEDULE, split="held_out")
    abroad = GrammarDenoiser(schedule=SCHEDULE, split="train")
    losses = [loss_by_level(m, held_out, [300], schedule=SCHEDULE) for m in (at_home, abroad)]
    assert losses[0] < 0.8 * losses[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ideal, x: ideal(x, 0.5, torch.ones(2, 4)), r"c has shape \(2, 4\)"),
        (lambda ideal, x: ideal(x, 0.5, torch.zeros(2, 5)), "c has the row .*not all 0"),
        (lambda ideal, x: ideal(x, 0.5, -torch.eye(5)[:2]), "c has the row .*at least 0"),
        (lambda ideal, x: ideal(x, torch.tensor([0.5, 0.2])), "t has several levels"),
        (lambda ideal, x: ideal(x, 0.0), "t has level 0"),
        (lambda ideal, x: ideal(x[:, :, :8], 0.5), r"expected \(B, 3, 16, 16\)"),
        (lambda ideal, x: ideal.bits_left(x, 501), "i is 501"),
        (lambda ideal, x: ideal.posterior(x, 501), "posterior: i is 501"),
        (lambda ideal, x: ideal.bits_left(x[:, :, :8], 9), r"expected \(B, 3, 16, 16\)"),
    ],
)
def test_bad_input_is_named(small, call, message):
    with pytest.raises(ValueError, match=message):
        call(small, torch.zeros(2, 3, 16, 16))


def test_a_level_without_signal_is_named():
    ideal = GrammarDenoiser(schedule=rescale_zero_terminal_snr(SCHEDULE))
    with pytest.raises(ValueError, match="i names level .*, which has no signal"):
        ideal(torch.zeros(1, 3, 16, 16), 1.0)


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="split is 'test'; expected one of"):
        GrammarDenoiser(schedule=SCHEDULE, split="test")

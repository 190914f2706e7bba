"""The deeper notebooks of lesson 08: their checks, what they write by hand, and what they claim.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
import pytest
import torch
from banks import bank_tests, written
from cells import functions_of

from diffutils import IdealDenoiser
from diffutils.measure import frechet_distance
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.forge import CLASSES, class_table
from diffutils.sprites.judge import is_held_out
from diffutils.stage import checks, composing, ledger
from diffutils.stage.checks import asked_of_judging, bits, sets
from diffutils.stage.impostors import fog_of

EXERCISES = {bits.bits_of_tree: bits.TREE, bits.bits_of_losses: bits.LOSSES,
             sets.total_variation: sets.VARIATION, sets.free_share: sets.FREE}  # fmt: skip
SIGNATURES = {bits.bits_of_tree: "classes", bits.bits_of_losses: "losses, alpha_bar",
              sets.total_variation: "counts, law", sets.free_share: "drawn, kept"}  # fmt: skip


def build(check, body):
    return written(SIGNATURES[check], body, math=math, np=np)


RIGHT = {
    bits.bits_of_tree: [
        "math.log2(len(classes)) + sum(math.log2(len(c)) + sum(math.log2(n) for n in c) / len(c) for c in classes) / len(classes)",
        "np.mean([np.log2(len(classes)) + np.log2(len(c)) + np.mean(np.log2(c)) for c in classes])",
        "-sum(n * p * math.log2(p) for c in classes for n in c for p in [1 / len(classes) / len(c) / n])",
        "sum(math.log2(len(classes) * len(c) * n) / len(c) for c in classes for n in c) / len(classes)",
        "torch.stack([torch.tensor([math.log2(len(classes) * len(c) * n) for n in c]).mean() for c in classes]).mean()",
    ],
    bits.bits_of_losses: [
        "torch.trapezoid(768 * losses, (alpha_bar / (1 - alpha_bar)).log()) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses * (1 - alpha_bar) / alpha_bar, alpha_bar / (1 - alpha_bar)) / (2 * math.log(2))",
        "384 * torch.trapezoid(losses, torch.logit(alpha_bar)) / math.log(2)",
        "384 * np.trapezoid(losses.numpy(), np.log2((alpha_bar / (1 - alpha_bar)).numpy()))",
        "torch.trapezoid(768 * losses / (alpha_bar * (1 - alpha_bar)), alpha_bar) / 2 / math.log(2)",
    ],
    sets.total_variation: [
        "(counts / counts.sum() - law).abs().sum() / 2",
        "(counts / counts.sum() - law).clamp(min=0).sum()",
        "1 - torch.minimum(counts / counts.sum(), law).sum()",
        "np.abs(counts.numpy() / counts.sum().item() - law.numpy()).sum() / 2",
        "torch.dist(counts / counts.sum(), law, p=1) / 2",
    ],
    sets.free_share: [
        "(torch.outer(drawn.sum(1), drawn.sum(0)) * kept).sum() / drawn.sum() ** 2",
        "((drawn.sum(1, keepdim=True) / drawn.sum()) * (drawn.sum(0) / drawn.sum()))[kept].sum()",
        "(drawn.sum(1) / drawn.sum()) @ kept.float() @ (drawn.sum(0) / drawn.sum())",
        "1 - (torch.outer(drawn.sum(1), drawn.sum(0)) * ~kept).sum() / drawn.sum() ** 2",
        "torch.einsum('a,b,ab->', drawn.sum(1) / drawn.sum(), drawn.sum(0) / drawn.sum(), kept.float())",
    ],
}  # fmt: skip
WRONG = {
    bits.bits_of_tree: [
        "math.log2(sum(sum(c) for c in classes))", "sum(sum(c) for c in classes)", "math.log(sum(sum(c) for c in classes))",
        "math.log2(len(classes))", "math.log2(sum(len(c) for c in classes))",
        "math.log2(len(classes)) + math.log2(sum(len(c) for c in classes))",
        "math.log2(len(classes)) * sum(math.log2(len(c)) for c in classes)",
        "math.log2(len(classes)) + sum(math.log2(len(c)) for c in classes)",
        "math.log2(len(classes)) + sum(math.log2(len(c)) for c in classes) / len(classes)",
        "np.mean([np.log2(c).mean() for c in classes])", "np.mean([np.log2(len(c)) + np.log2(c).mean() for c in classes])",
        "np.log(len(classes)) + np.mean([np.log(len(c)) + np.log(c).mean() for c in classes])",
        "np.log2(len(classes)) + np.mean([np.log2(len(c)) + np.log2(np.mean(c)) for c in classes])",
        "np.log2(len(classes)) + np.mean([np.log2(sum(c)) for c in classes])",
        "np.log2(len(classes)) + np.mean([len(c) + np.mean(c) for c in classes])",
        "np.log2(len(classes)) + np.mean([np.log2(len(c)) + np.log2(c).sum() for c in classes])",
        "len(classes) * np.mean([len(c) * np.mean(c) for c in classes])",
        "np.log2(len(classes)) + np.mean([np.log2(n) for c in classes for n in c]) + np.mean([np.log2(len(c)) for c in classes])",
        "-(np.log2(len(classes)) + np.mean([np.log2(len(c)) + np.log2(c).mean() for c in classes]))",
        "np.log2(len(classes)) + np.mean([np.log2(len(c)) / np.log2(c).mean() if max(c) > 1 else 0 for c in classes])",
        "max(math.log2(len(classes) * len(c) * n) for c in classes for n in c)", "sum(math.log2(n) for c in classes for n in c)",
        "np.mean([math.log2(len(classes) * len(c) * n) for c in classes for n in c])",
        "math.log2(len(classes)) + math.log2(max(len(c) for c in classes)) + math.log2(max(max(c) for c in classes))",
    ],
    bits.bits_of_losses: [
        "torch.trapezoid(768 * losses, (alpha_bar / (1 - alpha_bar)).log()) / math.log(2)",
        "torch.trapezoid(768 * losses, (alpha_bar / (1 - alpha_bar)).log()) / 2",
        "torch.trapezoid(losses, (alpha_bar / (1 - alpha_bar)).log()) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses, alpha_bar / (1 - alpha_bar)) / 2 / math.log(2)",
        "torch.trapezoid(losses, alpha_bar / (1 - alpha_bar)) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses, alpha_bar) / 2 / math.log(2)", "torch.trapezoid(losses, alpha_bar)",
        "768 * losses.sum() / 2 / math.log(2)", "768 * losses.mean() / 2 / math.log(2)", "losses.sum()", "losses.mean()",
        "torch.trapezoid(768 * losses, ((1 - alpha_bar) / alpha_bar).log()) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses, (alpha_bar / (1 - alpha_bar)).log2()) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses * alpha_bar / (1 - alpha_bar), alpha_bar / (1 - alpha_bar)) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses, alpha_bar.log()) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses.sqrt(), (alpha_bar / (1 - alpha_bar)).log()) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses, (alpha_bar.sqrt() / (1 - alpha_bar).sqrt()).log()) / 2 / math.log(2)",
        "torch.trapezoid(768 * losses * (1 - alpha_bar) / alpha_bar, (alpha_bar / (1 - alpha_bar)).log()) / 2 / math.log(2)",
        "torch.trapezoid(256 * losses, (alpha_bar / (1 - alpha_bar)).log()) / 2 / math.log(2)",
        "(768 * losses * (alpha_bar / (1 - alpha_bar))).sum() / 2 / math.log(2)",
        "torch.trapezoid(768 * losses / (1 - alpha_bar), alpha_bar) / 2 / math.log(2)",
        "-(losses.log2()).sum()", "768 * (losses * alpha_bar).sum() / 2", "torch.zeros(())",
    ],
    sets.total_variation: [
        "(counts / counts.sum() - law).abs().sum()", "(counts - law).abs().sum() / 2", "(counts / counts.sum() - law).sum()",
        "(counts / counts.sum() - law).abs().max()", "(counts / counts.sum() - law).abs().mean()",
        "(counts / counts.sum() - law).abs().mean() / 2", "((counts / counts.sum() - law) ** 2).sum()",
        "((counts / counts.sum() - law) ** 2).sum().sqrt()", "((counts / counts.sum() - law) ** 2).sum() / 2",
        "((counts / counts.sum() - law) ** 2).mean().sqrt()", "(counts - law * counts.sum()).abs().sum()",
        "(counts - law * counts.sum()).abs().sum() / 2", "(counts / counts.mean() - law).abs().sum() / 2",
        "(counts / len(counts) - law).abs().sum() / 2", "torch.minimum(counts / counts.sum(), law).sum()",
        "(counts / counts.sum() / law - 1).abs().sum() / 2", "(counts / counts.sum() / law - 1).abs().mean()",
        "(counts / counts.max() - law).abs().sum() / 2", "((counts - law * counts.sum()) ** 2 / (law * counts.sum())).sum()",
        "(counts.softmax(0) if False else counts.float().softmax(0) - law).abs().sum() / 2",
        "(counts / counts.sum() - law).abs().sum().sqrt()", "(counts == 0).float().mean()",
        "50 * (counts / counts.sum() - law).abs().sum()", "(counts / counts.sum() * law).sum()",
    ],
    sets.free_share: [
        "drawn[kept].sum() / drawn.sum()", "kept.float().mean()", "kept.sum()", "drawn[kept].sum()", "drawn[~kept].sum() / drawn.sum()",
        "(torch.outer(drawn.sum(1), drawn.sum(0)) * kept).sum() / drawn.sum()", "(torch.outer(drawn.sum(1), drawn.sum(0)) * kept).sum()",
        "(torch.outer(drawn.sum(1), drawn.sum(0)) * ~kept).sum() / drawn.sum() ** 2",
        "(torch.outer(drawn.sum(1), drawn.sum(0)) * kept).mean() if False else (torch.outer(drawn.sum(1), drawn.sum(0)) * kept).double().mean() / drawn.sum() ** 2",
        "(torch.outer(drawn.sum(1), drawn.sum(0)) / drawn.sum() ** 2)[kept].mean()",
        "(torch.outer(drawn.double().mean(1), drawn.double().mean(0)) * kept).sum()",
        "drawn[kept].sum() / (torch.outer(drawn.sum(1), drawn.sum(0)) * kept).sum() * drawn.sum()",
        "(drawn.sum(1) / drawn.sum() * kept.double().mean(1)).sum()", "(drawn.sum(0) / drawn.sum() * kept.double().mean(0)).sum()",
        "(drawn.sum(1, keepdim=True) / drawn.sum() * kept).sum()", "(drawn.sum(0) / drawn.sum() * kept).sum()",
        "((drawn.sum(1, keepdim=True) + drawn.sum(0)) / drawn.sum() * kept).sum()",
        "((drawn.sum(1, keepdim=True) + drawn.sum(0)) / drawn.sum() * kept).sum() / 2",
        "(torch.outer(drawn.sum(1), drawn.sum(0)) * kept).sum() / drawn.sum() ** 2 - drawn[kept].sum() / drawn.sum()",
        "(torch.outer(drawn.sum(1), drawn.sum(0)) * kept).sum() / (torch.outer(drawn.sum(1), drawn.sum(0)) * ~kept).sum()",
        "(drawn / drawn.sum(1, keepdim=True))[kept].sum()", "100 * (torch.outer(drawn.sum(1), drawn.sum(0)) * kept).sum() / drawn.sum() ** 2",
        "(drawn > 0)[kept].double().mean()", "(torch.outer(drawn.sum(1), drawn.sum(0)) * kept).sum() / (drawn ** 2).sum()",
    ],
}  # fmt: skip


globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))


# --- what the notebooks write by hand ------------------------------------------------------------


def test_the_entropy_of_the_exercise_is_the_ledgers():
    tree = [class_table(name).sprites[~class_table(name).held_out].tolist() for name in CLASSES]
    assert bits.right_tree(tree) == pytest.approx(sum(ledger.entropy().values()))


def test_the_notebooks_integral_is_the_librarys():
    names = functions_of("deeper/08_bits", "def nats(error)")
    schedule, ratio = names["schedule"], names["ratio"]
    x0 = to_float(forge_sprites(10, seed=1)[0])
    torch.manual_seed(0)
    error = names["errors"](IdealDenoiser(x0, schedule=schedule), x0)
    told = ledger.bits_told(error, ratio) * math.log(2)
    assert told[0] < 0.03  # below the first ratio, which the notebook leaves out
    assert float(names["nats"](error)) == pytest.approx(float(told[-1] - told[0]), rel=1e-9)
    losses, alpha_bar = error * ratio / 768, schedule.alpha_bar[list(names["levels"])]
    found = bits.right_losses(losses, alpha_bar)
    assert float(found) * math.log(2) == pytest.approx(float(names["nats"](error)), rel=1e-6)


def test_the_exact_law_of_a_slot_is_that_of_many_sprites():
    laws = composing.slot_laws("spell")
    _, _, factors = forge_sprites(4000, seed=2, classes=["spell"])
    table = class_table("spell")
    for slot, (counts, law, parts) in laws.items():
        drawn = factors[f"slot_{table.slots.index(slot)}"]
        shares = torch.bincount(torch.from_numpy(drawn.astype(int)), minlength=len(parts)) / 4000
        assert len(counts) == len(law) == len(parts) and law.sum() == pytest.approx(1)
        assert float((shares - law).abs().sum() / 2) < 0.06


def test_the_features_are_one_place_for_each_class_part_and_palette():
    _, _, factors = forge_sprites(4000, seed=8)
    names = functions_of("deeper/08_distances", "def as_features(read)", factors=factors)
    some = factors[:50]
    features = names["as_features"](some)
    shown = [1 + sum(int(one[name]) >= 0 for name in some.dtype.names[1:]) for one in some]
    assert features.flatten(1).sum(1).tolist() == shown
    same = torch.cdist(features.flatten(1), features.flatten(1)) == 0
    assert same.sum() == 50  # sprites that differ have features that differ


# --- composing -----------------------------------------------------------------------------------


def test_the_pairs_that_are_kept_out_are_those_of_the_forge():
    for name in CLASSES:
        _, _, factors = forge_sprites(300, seed=4, classes=[name], split="all")
        out = composing.kept_out(name)
        for one, expected in zip(factors, is_held_out(factors), strict=True):
            a, b = composing.pair_slots(name)
            assert out[one[f"slot_{a}"], one[f"slot_{b}"]] == expected


def test_fair_shares_are_those_of_all_shapes():
    for name in CLASSES:
        table, shares = class_table(name), composing.fair_shares(name)
        assert shares.sum() == pytest.approx(1)
        assert shares[composing.kept_out(name)].sum() == pytest.approx(table.held_out.mean())


def test_pairs_are_counted_by_class_and_by_part():
    _, _, factors = forge_sprites(500, seed=5)
    for k, name in enumerate(CLASSES):
        counts, (a, b) = composing.pairs_of(factors, name), composing.pair_slots(name)
        ours = factors[factors["class"] == k]
        assert counts.sum() == len(ours) and not counts[composing.kept_out(name)].any()
        first = ours[0]
        same = (ours[f"slot_{a}"] == first[f"slot_{a}"]) & (ours[f"slot_{b}"] == first[f"slot_{b}"])
        assert counts[first[f"slot_{a}"], first[f"slot_{b}"]] == same.sum()


def test_the_table_of_pairs_is_that_of_the_command_and_a_batch_of_it_is_drawn_again():
    table = composing.composing()
    assert table["command"] == "python -m diffutils.stage.composing" and table["date"]
    assert table["samples"] == composing.SAMPLES
    drawn = table["drawn"]
    assert sum(int(counts.sum()) for counts in drawn.values()) == table["flawless"]
    nn_model, _ = composing.load_pretrained()
    with torch.no_grad():
        again = composing.counted(0, nn_model)
    assert 0.8 * composing.BATCH < again["flawless"] < composing.BATCH
    seen = {name: ~composing.kept_out(name) & (composing.fair_shares(name) > 0) for name in CLASSES}
    for name in CLASSES:
        assert (drawn[name][seen[name]] > 0).all()
        assert not drawn[name][composing.fair_shares(name) == 0].any()
        assert (drawn[name] >= np.array(again[name]) - 3).all()  # one of its batches, or nearly


def test_stopped_and_called_again_the_pairs_are_the_same(tmp_path, monkeypatch):
    def batch(number, nn_model):
        if number == stop_at[0]:
            raise KeyboardInterrupt
        shapes = {name: composing.fair_shares(name).shape for name in CLASSES}
        return {name: np.full(s, number).tolist() for name, s in shapes.items()} | {"flawless": 9}

    def training(seed):
        if seed == stop_at[1]:
            raise KeyboardInterrupt
        return [{"seed": seed, "step": step} for step in (5, 10)]

    stop_at = [1, 1]
    monkeypatch.setattr(composing, "counted", batch)
    monkeypatch.setattr(composing, "while_training", training)
    for again in ([0, 1], [0, 0]):  # what is done is not done again
        with pytest.raises(KeyboardInterrupt):
            composing.work(tmp_path / "a.json", 750, say=lambda _: None)
        stop_at = again
    composing.work(tmp_path / "a.json", 750, say=lambda _: None)
    monkeypatch.setattr(composing, "TABLE", tmp_path / "a.json")
    table = composing.composing.__wrapped__()
    assert (table["drawn"]["hero"] == 3).all() and table["flawless"] == 27
    assert [(row["seed"], row["step"]) for row in table["training"]] == [
        (0, 5), (0, 10), (1, 5), (1, 10)]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_pairs_are_counted_while_a_network_trains(monkeypatch):
    sprites = [forge_sprites(6, 1, classes=["hero"], split=split)[0]
               for split in ("train", "held_out")]  # fmt: skip
    x = to_float(np.concatenate(sprites))
    x[0, :, :1, :8] *= -1  # 8 of 256 pixels wrong
    x[1, :, :4] *= -1  # a quarter of them
    x[6, :, :1, :8] *= -1
    monkeypatch.setattr(composing, "draw_boldly", lambda nn_model, n, seed: x[:n])
    rows = composing.while_training(1, moments=(1, 2), each=12)
    assert [(row["seed"], row["step"], row["samples"]) for row in rows] == [(1, 1, 12), (1, 2, 12)]
    assert rows[0]["near"] == [11, 6] and rows[1]["flawless"] == [9, 5]


def test_the_table_of_pairs_has_every_moment_of_every_run():
    rows = composing.composing()["training"]
    assert [(row["seed"], row["step"]) for row in rows] == [
        (seed, step) for seed in composing.SEEDS for step in composing.MOMENTS]  # fmt: skip
    for row in rows:
        assert row["samples"] == composing.EACH >= row["near"][0] >= row["flawless"][0]
        assert row["near"][1] >= row["flawless"][1]


def test_parts_touch_where_pixels_lie_side_by_side():
    table, (a, b) = class_table("non-hero"), composing.pair_slots("non-hero")
    found = composing.touching("non-hero")
    for row, column in ((0, 0), (3, 1), (7, 2)):
        first, second = (table.pictures[k][part].reshape(16, 16) > 0
                         for k, part in ((a, row), (b, column)))  # fmt: skip
        near = sum(first[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any()
                   for y, x in np.argwhere(second))  # fmt: skip
        assert found[row, column] == near
    assert found.max() > 10


def test_a_correlation_is_held_against_shuffles_within_groups():
    rng = np.random.default_rng(1)
    groups, inside = np.repeat(np.arange(6), 10), rng.normal(size=60)
    x = 5.0 * groups + inside
    by_groups = 5.0 * groups + rng.normal(size=60)  # alike from group to group, not within one
    r, share = composing.shuffled(x, by_groups, times=500)
    assert r == pytest.approx(np.corrcoef(x, by_groups)[0, 1]) and r > 0.9 and share == 0
    r, share = composing.shuffled(x, by_groups, groups, times=500)
    assert abs(r) < 0.35 and share > 0.02
    r, share = composing.shuffled(x, inside - groups, groups, times=500)
    assert r == pytest.approx(1) and share == 0


def test_a_fog_has_the_mean_and_the_covariance_of_its_sprites(generator):
    x0 = torch.rand(40, 1, 2, 2, generator=generator) ** 2
    fog = fog_of(x0, 100_000)
    assert fog.shape == (100_000, 1, 2, 2)
    torch.testing.assert_close(fog.mean(0), x0.mean(0), rtol=0, atol=5e-3)
    covariances = (torch.cov(x.flatten(1).T) for x in (fog, x0))
    torch.testing.assert_close(*covariances, rtol=0, atol=3e-3)


# --- what the choices measured -------------------------------------------------------------------


def test_the_four_reasons_for_a_floor_are_answered_by_what_was_measured():
    replies = {letter: checks.choice("why-a-floor", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["d"]
    found = asked_of_judging.measure_set_floor()
    assert found["most"] < 1.15 * found["least"] and found["itself"] < 0.01
    assert found["means"] < 5 and found["kernel"] < 0.005 and found["thin"] == 249


def test_the_four_reasons_for_the_bill_are_answered_by_what_was_measured():
    replies = {letter: checks.choice("why-sure-costs", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["b"]
    found = asked_of_judging.measure_conviction()
    assert found["apart"] > 5 and found["sure_above"] > 2 * found["plain_above"]
    assert found["sure_pure"] > 85 > 60 > found["plain_pure"]
    assert found["parts"] > 96


def test_a_fog_of_other_sprites_is_as_near_to_sprites_as_sprites_are():
    """The claim of the notebook, with other sprites: Fréchet's distance cannot tell fog."""
    real = to_float(forge_sprites(4200, seed=77)[0])
    fog, fresh = fog_of(real[2000:4000], 200), real[4000:]
    distances = [frechet_distance(x, real[:2000]) for x in (fog, fresh)]
    assert 0.95 < distances[0] / distances[1] < 1.1
    assert not judge(fog.clamp(-1, 1)).flawless.any()


def test_the_four_reasons_for_a_moved_copys_distance_are_answered_by_what_was_measured():
    replies = {letter: checks.choice("why-moved-is-far", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["a"]
    found = asked_of_judging.measure_moved()
    assert min(found["moved"], found["free"]) > 1.7 * found["new"]
    assert found["moved_few"] > 1.3 * found["new_few"]
    assert found["moved_abs"] > 2 * found["new_abs"] and found["coarse"] < 1.5


def test_a_picture_moved_is_the_same_picture_one_column_on():
    x = to_float(forge_sprites(3, seed=1)[0])
    assert torch.equal(asked_of_judging.moved(x)[..., 1:], x[..., :-1])
    assert (asked_of_judging.moved(x)[..., 0] == 1).all()
    assert asked_of_judging.nearest(x, x) < 2e-3 and asked_of_judging.nearest(x, -x[:1] * 0 + 5) > 4

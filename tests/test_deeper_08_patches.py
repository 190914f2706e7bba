"""Deeper 08, patches and sloppy judges: their checks, their tables, what they write by hand.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
import pytest
import torch
from banks import bank_tests, written

from diffutils import IdealDenoiser, linear_schedule
from diffutils.sprites import judge
from diffutils.stage import checks, patches, sloppy
from diffutils.stage.checks import asked_of_judging, patched, selected

EXERCISES = {patched.window_guess: patched.WINDOW, selected.best_of: selected.BEST}
SIGNATURES = {patched.window_guess: "x_t, x0, row, column, reach, alpha_bar",
              selected.best_of: "scores, values, n"}  # fmt: skip

WINDOW = """
    rows, columns = slice(max(row - reach, 0), row + reach + 1), slice(max(column - reach, 0), column + reach + 1)
    x, s = x_t[:, rows, columns], x0[:, :, rows, columns]
    d = ((x - alpha_bar ** 0.5 * s) ** 2).sum((1, 2, 3))
    m = x0[:, :, row, column]
"""


def build(check, body):
    return written(SIGNATURES[check], body, math=math, np=np)


RIGHT = {
    patched.window_guess: [
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW + "    w = torch.exp(-(d - d.min()) / 2 / (1 - alpha_bar))\n    return (w[:, None] * m).sum(0) / w.sum()",
        """
    near = [(r, c) for r in range(x_t.shape[1]) for c in range(x_t.shape[2]) if abs(r - row) <= reach and abs(c - column) <= reach]
    d = sum(((x_t[:, r, c] - alpha_bar ** 0.5 * x0[:, :, r, c]) ** 2).sum(1) for r, c in near)
    return torch.einsum("n,nc->c", torch.softmax(-d / (2 - 2 * alpha_bar), 0), x0[:, :, row, column])
""",
        """
    r, c = torch.arange(x_t.shape[1])[:, None], torch.arange(x_t.shape[2])
    inside = ((r - row).abs() <= reach) & ((c - column).abs() <= reach)
    d = (((x_t - math.sqrt(alpha_bar) * x0) ** 2) * inside).flatten(1).sum(1)
    return (-0.5 * d / (1 - alpha_bar)).softmax(0) @ x0[:, :, row, column]
""",
        WINDOW + "    return torch.from_numpy(np.average(m.numpy(), axis=0, weights=np.exp(-(d - d.min()).numpy() / (2 * (1 - alpha_bar)))))",
    ],
    selected.best_of: [
        "(((torch.arange(len(scores)) + 1) / len(scores)) ** n - (torch.arange(len(scores)) / len(scores)) ** n) @ values[scores.argsort()].float()",
        """
    m, total = len(scores), 0
    for k, j in enumerate(scores.argsort().tolist(), 1):
        total += values[j] * ((k / m) ** n - ((k - 1) / m) ** n)
    return total
""",
        "sum(v * ((scores <= s).double().mean() ** n - (scores < s).double().mean() ** n) for s, v in zip(scores, values))",
        "float(np.dot(np.diff(np.linspace(0, 1, len(scores) + 1) ** n), values.numpy()[np.argsort(scores.numpy())]))",
        """
    rank = scores.argsort().argsort() + 1
    return ((rank / len(scores)) ** n - ((rank - 1) / len(scores)) ** n) @ values.float()
""",
    ],
}  # fmt: skip
WRONG = {
    patched.window_guess: [
        WINDOW.replace("reach + 1", "reach + 2") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW.replace("row - reach", "row - reach + 1") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW.replace("max(row - reach, 0)", "row") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW.replace("max(row - reach, 0)", "abs(row - reach)") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW.replace("max(row - reach, 0), row + reach + 1", "0, row + 1") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW + "    return (-d / (2 * alpha_bar ** 0.5)).softmax(0) @ m",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar) ** 2)).softmax(0) @ m",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar ** 2))).softmax(0) @ m",
        WINDOW + "    return (-d).exp() @ m / 2",
        WINDOW + "    return (1 / d) @ m / (1 / d).sum()",
        WINDOW + "    return (1 - d / d.sum()) @ m / len(x0)",
        WINDOW + "    return (1 - d / d.sum()) @ m / (len(x0) - 1)",
        WINDOW + "    return d @ m / d.sum()",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0)",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0)[:, None] * m",
        WINDOW + "    return m[d.argmax()]",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ s.sum((2, 3))",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ s[:, :, 0, 0]",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ x0.mean((2, 3))",
        WINDOW + "    return s.mean((0, 2, 3))",
        WINDOW + "    return (((s * x).sum((1, 2, 3))) / (1 - alpha_bar)).softmax(0) @ m",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).sigmoid() @ m",
        WINDOW.replace("alpha_bar ** 0.5", "(1 - alpha_bar) ** 0.5") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW + "    d = ((x.mean((1, 2)) - alpha_bar ** 0.5 * s.mean((2, 3))) ** 2).sum(1)\n    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW + "    return m[(-d / (2 * (1 - alpha_bar))).softmax(0) > 0.1].mean(0)",
    ],
    selected.best_of: [
        "values[scores > scores.mean()].mean()", "values.median()", "values.sum()", "n * values.mean()", "values.mean() / n",
        "scores.max()", "scores.mean()", "values[scores.argmin()]", "values.sort().values[-n:].mean()", "(scores * values).sum() / scores.sum()",
        "scores.softmax(0) @ values", "values[scores.argsort()][-n:].sum()", "values[scores.argsort()[n - 1 if n <= len(scores) else -1]]",
        "values.mean() ** n", "(values ** n).mean()", "values[scores.argsort()].cumsum(0)[-1] / n",
        "((torch.arange(len(scores)) / len(scores)) ** n) @ values[scores.argsort()].float()",
        "((1 - torch.arange(len(scores)) / len(scores)) ** n).float() @ values[scores.argsort()].float()",
        "(((torch.arange(len(scores)) + 1) / len(scores)) ** n - (torch.arange(len(scores)) / len(scores)) ** n).float() @ values[scores.argsort(descending=True)].float()",
        "(((torch.arange(len(scores)) + 1) / len(scores)) ** (n - 1)).float() @ values[scores.argsort()].float() / len(scores)",
        "values[torch.randint(len(scores), (n,))].max()", "max(values[:n])",
        "values.mean() + (values[scores.argmax()] - values.mean()) * (1 - 1 / n)",
        "(1 - 1 / n) * values[scores.argmax()] + values.mean() / n",
        "np.mean([values[i:i + n][scores[i:i + n].argmax()] for i in range(len(scores) - n + 1)]) if n <= len(scores) else values[scores.argmax()]",
    ],
}  # fmt: skip

globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))


# --- denoisers of windows ------------------------------------------------------------------------


def world(count, pictures, height=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x0 = torch.rand(count, 3, height, height, generator=generator) * 2 - 1
    return x0, torch.randn(pictures, 3, height, height, generator=generator)


def test_windows_that_see_all_are_the_ideal_denoiser(monkeypatch):
    monkeypatch.setattr(patches, "ROWS", 7)  # the last part is a smaller one
    (x0, x), schedule = world(30, 4), linear_schedule()
    ideal = IdealDenoiser(x0, schedule=schedule)
    for i in (30, 200, 500):
        ours = patches.PatchDenoiser(x0, 11, schedule=schedule)
        torch.testing.assert_close(ours.guess_x0(x, i), ideal.guess_x0(x, i), rtol=0, atol=2e-5)
        t = torch.tensor([i / 500])
        torch.testing.assert_close(ours(x, t), ideal(x, t), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_each_pixel_is_guessed_as_the_exercise_guesses_it(size):
    (x0, x), schedule = world(9, 2), linear_schedule()
    guess = patches.PatchDenoiser(x0, size, schedule=schedule).guess_x0(x, 200)
    alpha_bar = schedule.alpha_bar[200].item()
    for row in range(6):
        for column in range(6):
            slow = patched.right_guess(x[1], x0, row, column, size // 2, alpha_bar)
            torch.testing.assert_close(guess[1, :, row, column], slow, rtol=0, atol=2e-5)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_windows_from_anywhere_are_compared_one_by_one(size):
    (x0, x), schedule = world(5, 2, seed=1), linear_schedule()
    alpha_bar, reach = schedule.alpha_bar[150].item(), size // 2
    paper = torch.nn.functional.pad(x0, (reach,) * 4, value=1.0)
    guess = patches.guess_from_anywhere(x, x0, 150, size, schedule=schedule)
    for row, column in ((0, 0), (2, 3), (5, 1)):
        beliefs, middles = [], []
        for sprite in range(5):
            for y in range(6):
                for z in range(6):
                    apart = 0.0
                    for a in range(-reach, reach + 1):
                        for b in range(-reach, reach + 1):
                            if 0 <= row + a < 6 and 0 <= column + b < 6:
                                there = paper[sprite, :, y + a + reach, z + b + reach]
                                apart += ((x[0, :, row + a, column + b]
                                           - alpha_bar**0.5 * there) ** 2).sum()  # fmt: skip
                    beliefs.append(-apart / (2 * (1 - alpha_bar)))
                    middles.append(x0[sprite, :, y, z])
        slow = torch.stack(beliefs).softmax(0) @ torch.stack(middles)
        torch.testing.assert_close(guess[0, :, row, column], slow, rtol=0, atol=2e-5)


def test_a_window_is_known_if_one_sprite_has_all_of_it_there(monkeypatch):
    monkeypatch.setattr(patches, "ROWS", 4)  # the sprites come in two parts
    x0, _ = world(6, 1)
    mosaic = torch.cat([x0[:1, :, :, :3], x0[1:2, :, :, 3:]], 3)
    assert patches.known_windows(x0, x0) == 1
    assert patches.known_windows(mosaic, x0, 1) == 1
    assert patches.known_windows(mosaic, x0) == pytest.approx(4 / 6)  # not where the halves meet
    assert patches.known_windows(mosaic.roll(1, 2), x0) < 0.1


def test_what_is_explained_is_all_or_nothing_at_its_ends():
    answer, _ = world(40, 1)
    assert patches.explained(answer, answer) == (1, 0)
    share, error = patches.explained(answer, answer.mean(0, keepdim=True))
    assert abs(share) < 1e-5 and error > 0


def test_the_window_that_fits_best_holds_from_its_level_to_the_next():
    found = {i: [{"plain": [0.0]}] * len(patches.SIZES) for i in patches.LEVELS}
    found[100] = [{"plain": [0.9 if size == 5 else 0.1]} for size in patches.SIZES]
    fitted = patches.fitted(found)
    assert fitted == {100: 1, 150: 5, 200: 1, 300: 1, 400: 1, 500: 1}


@torch.no_grad()
def test_the_table_of_windows_is_that_of_the_command_and_some_of_it_is_measured_again():
    table = patches.patches()
    assert table["command"] == "python -m diffutils.stage.patches" and table["date"]
    assert table["sizes"] == list(patches.SIZES) and table["samples"] == patches.DRAWN
    again = {"explained": patches.measure(patches.bound, 500, patches.SIZES, 100),
             "bound": patches.measure(patches.bound, patches.FEW, patches.FREE_SIZES, 150)}  # fmt: skip
    for part, key in (("explained", "500 100"), ("bound", "150")):
        for ours, theirs in zip(again[part], table[part][key], strict=True):
            for name in ("plain", "palette"):
                assert ours[name] == pytest.approx(theirs[name], abs=2e-3)


def test_stopped_and_called_again_the_windows_are_measured_once(tmp_path, monkeypatch):
    calls = []

    def counted(name, value):
        def measure(*given):
            if len(calls) == 9:
                calls.append("stop")
                raise KeyboardInterrupt
            calls.append((name, str(given)))
            return value

        return measure

    row = [{"plain": [0.5]}] * len(patches.SIZES)
    for name, value in (("measure_drawn", {}), ("measure_whole", {}), ("measure", row)):
        monkeypatch.setattr(patches, name, counted(name, value))
    with pytest.raises(KeyboardInterrupt):
        patches.work(tmp_path / "table.json", print)
    patches.work(tmp_path / "table.json", print)
    calls.remove("stop")
    assert len(set(calls)) == len(calls) and not (tmp_path / "table.json.partial").exists()


def test_the_four_reasons_for_windows_are_answered_by_what_was_measured():
    replies = {letter: checks.choice("why-windows-explain", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["c"]
    found = asked_of_judging.measure_windows()
    assert found["around"] > 20 * found["error"] and found["other"] > found["around"]
    assert found["own_all"] > found["own_three"] and found["one"] < found["three"] - 4
    assert 55 < found["known"] < 70 and found["same"] == 0 and found["three"] > 2 * found["all"]


# --- sloppy judges -------------------------------------------------------------------------------


def test_sprites_have_the_best_scores_there_are():
    x0 = sloppy.owned()[::100]
    assert sloppy.colours(x0).abs().max() < 1e-3
    assert sloppy.nearness(x0, sloppy.owned()).abs().max() < 2e-3
    grey = x0 * 0.9
    assert (sloppy.colours(grey) < sloppy.colours(x0)).all()
    assert sloppy.nearness(x0[:1] + 0.1, x0).item() == pytest.approx(-0.1, abs=1e-3)


def test_the_best_of_n_is_worth_what_all_draws_are_worth_on_average():
    scores, values = torch.tensor([0.2, 3.0, -1.0, 0.7]), torch.tensor([1.0, 0.0, 5.0, 2.0])
    for n in (1, 2, 3):
        draws = torch.cartesian_prod(*[torch.arange(4)] * n).view(-1, n)
        kept = draws.gather(1, scores[draws].argmax(1, keepdim=True))
        slow = values[kept].double().mean()
        assert float(sloppy.best_of(scores, values, n)) == pytest.approx(float(slow))
    assert float(sloppy.best_of(scores, values, 500)) == pytest.approx(0.0)


def test_the_spread_of_one_draw_is_the_error_of_a_mean():
    values = (torch.rand(400, generator=torch.Generator().manual_seed(1)) < 0.3).double()
    spread = sloppy.spread(torch.arange(400), values, 1, times=300)
    assert spread == pytest.approx((0.3 * 0.7 / 400) ** 0.5, rel=0.2)


def test_what_is_chosen_is_told_in_percent_with_its_errors():
    scores, values = torch.arange(40.0), torch.arange(40) >= 30
    shares, errors = sloppy.chosen(scores, values, (1, 2))
    assert shares.tolist() == pytest.approx([25, 100 * (1 - 0.75**2)])
    assert errors[0].item() == pytest.approx(100 * sloppy.spread(scores, values, 1))


def test_the_exact_judge_prefers_the_flawless_and_draws_lots_among_them():
    table, choosers, worth = sloppy.sloppy(), sloppy.choosers(), sloppy.worth()
    flawless = table["flawless"] == 1
    assert choosers["exact"][flawless].min() > choosers["exact"][~flawless].max()
    lot = choosers["chance"][flawless].argsort()
    assert torch.equal(choosers["exact"][flawless].argsort(), lot)
    assert worth["a meal or a spell"].tolist() == [0, 0, 1, 1, 0] * (sloppy.SAMPLES // 5)


def test_pictures_of_known_quality_come_a_class_like_the_other():
    sets = sloppy.of_known_quality()
    assert all(x.shape == (25, 3, 16, 16) and x.abs().max() <= 1 for x in sets.values())
    classes = torch.arange(25) % 5
    assert (judge(sets["palette, 25"]).class_ == classes.numpy()).all()
    assert torch.equal(sloppy.drawn("palette", 25), sets["palette, 25"])


def test_climbing_leads_up_and_stays_within_a_picture():
    x = torch.zeros(2, 3, 16, 16)
    end = sloppy.climb(x, lambda x: x.sum((1, 2, 3)), steps=30)
    assert torch.equal(end, torch.ones_like(x)) and not x.any() and not x.requires_grad
    assert sloppy.climb(x, lambda x: x.sum((1, 2, 3)), steps=3).max().item() == pytest.approx(0.15)


@torch.no_grad()
def test_the_table_of_a_sloppy_judge_is_that_of_the_command_and_a_batch_of_it_is_drawn_again():
    table = sloppy.sloppy()
    assert all(len(column) == sloppy.SAMPLES for column in table.values())
    again = sloppy.judged(2)
    part = slice(2 * sloppy.BATCH, 3 * sloppy.BATCH)
    near = -torch.tensor(again["nearness"]) / sloppy.SCALE
    assert (near - table["nearness"][part]).abs().median() < 1e-3
    for name in ("flawless", "new"):
        assert (torch.tensor(again[name]) != table[name][part]).sum() <= 3

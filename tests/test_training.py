"""Training does what it says, ends the same after any interruption, and files are safe to load."""

import contextlib
import copy
import dataclasses
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel

from diffutils import (
    NoiseSchedule,
    cosine_schedule,
    guess_noise,
    linear_schedule,
    sample_ddim,
    sample_ddpm,
    train,
)
from diffutils.grammar import GrammarDenoiser
from diffutils.measure import loss_by_level
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites
from diffutils.training import (
    AdamW,
    average_last_tenth,
    bound_weights,
    fit,
    frequent_colours,
    min_snr_weights,
)
from diffutils.unet import ContextUnet
from diffutils.votes import PaletteUnet
from diffutils.weights import (
    load_pretrained,
    load_weights,
    pretrained_path,
    save_weights,
    weights_metadata,
)

SCHEDULE = linear_schedule()


def small_network(seed=0):
    torch.manual_seed(seed)
    return PaletteUnet(channels=16, hidden=8, schedule=SCHEDULE)


def squares(n=40):
    """Plain sprites of one colour each, their contexts by the strongest colour channel."""
    colours = torch.rand(n, 3, 1, 1, generator=torch.Generator().manual_seed(3)) * 2 - 1
    contexts = torch.eye(5)[colours.flatten(1).argmax(dim=1)]
    return colours.expand(n, 3, 16, 16).contiguous(), contexts


def small_run(nn_model=None, **changed):
    x0, contexts = squares()
    arguments = {"schedule": SCHEDULE, "contexts": contexts, "steps": 6, "batch_size": 8}
    return fit(nn_model or small_network(), x0, **(arguments | changed))


def equal(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def equal_weights(one, other):
    """All but what a network knows besides: schedule and conviction."""
    one, other = dict(one.named_parameters()), dict(other.named_parameters())
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


# --- the run ---------------------------------------------------------------------------------


def test_a_record_a_step():
    records = list(small_run())
    assert [r.step for r in records] == [1, 2, 3, 4, 5, 6]
    for record in records:
        assert len(record.loss_by_band) == 5 and np.isfinite(record.loss)
        assert record.images_per_second > 0 and record.seconds > 0


def test_the_loss_is_the_mean_of_its_bands_weighted_by_their_images():
    for record in small_run(batch_size=256, steps=1):
        assert record.loss == pytest.approx(np.mean(record.loss_by_band), rel=0.2)


def black_and_white():
    return torch.stack([torch.full((3, 16, 16), -1.0), torch.full((3, 16, 16), 1.0)])


def test_training_lowers_the_loss_and_makes_sprites():
    run = fit(small_network(), black_and_white(), schedule=SCHEDULE, steps=150, batch_size=32,
              learning_rate=6e-3)
    losses = [record.loss for record in run]
    assert np.mean(losses[-20:]) < 0.4 * np.mean(losses[:10])
    samples, _ = sample_ddim(16, nn_model=run.model, schedule=SCHEDULE, n=25, progress=False,
                             generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(samples).all()
    sprites = black_and_white().flatten(1)
    distance = torch.cdist(samples.flatten(1), sprites).min(dim=1).values / 768**0.5
    assert distance.mean() < 0.8  # noise stays at 1.4


def test_the_same_seed_gives_the_same_run():
    one, other = small_run(), small_run()
    assert [r.loss for r in one] == [r.loss for r in other]
    assert equal(one.model, other.model)


def test_bfloat16_trains_alike_and_repeats():
    exact, one, other = small_run(), small_run(bfloat16=True), small_run(bfloat16=True)
    losses = [[r.loss for r in run] for run in (exact, one, other)]
    assert losses[1] == losses[2] and losses[1] != losses[0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)
    assert equal(one.model, other.model)
    assert all(p.dtype == torch.float32 for p in one.model.parameters())


def test_another_seed_gives_another_run():
    assert [r.loss for r in small_run()] != [r.loss for r in small_run(seed=1)]


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    nn_model = small_network()
    torch.manual_seed(7)
    for _ in small_run(nn_model):
        pass
    assert torch.equal(torch.rand(1), expected)


class Listener(torch.nn.Module):
    """A network that notes what it is asked."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(()))
        self.levels, self.contexts = [], []

    def __deepcopy__(self, memo):
        return Listener()

    def forward(self, x, t, c=None):
        self.levels += (t * 500).round().int().tolist()
        self.contexts.append(c)
        return self.scale * x


def test_the_levels_trained_are_the_levels_sampled():  # known faults 14
    listener = Listener()
    for _ in small_run(listener, steps=60, batch_size=200):
        pass
    assert set(listener.levels) == set(range(1, 501))


def test_one_context_in_ten_is_dropped():  # known faults 12
    listener = Listener()
    for _ in small_run(listener, steps=40, batch_size=100):
        pass
    contexts = torch.cat(listener.contexts)
    share = (contexts.sum(dim=1) == 0).float().mean()
    assert abs(share - 0.1) < 3 * (0.1 * 0.9 / 4000) ** 0.5
    assert set(contexts.sum(dim=1).tolist()) == {0.0, 1.0}


def test_the_loss_recorded_is_the_plain_error_of_the_noise():
    """A network that answers 0 is wrong by the noise itself, whose variance is 1."""
    records = list(small_run(Listener(), steps=1, batch_size=500))
    assert records[0].loss == pytest.approx(1, abs=0.02)


def test_the_weights_of_the_levels_are_those_of_the_bound():
    """DDPM eq. 12, sigma^2 = beta: beta / (2 alpha (1 - alpha_bar)), up to a factor."""
    weight, s = bound_weights(SCHEDULE).double(), SCHEDULE
    bound = s.beta / (2 * s.alpha * (1 - s.alpha_bar))
    ratio = weight[50:] / bound[50:]
    assert weight.shape == (501,) and weight.max() == 4
    torch.testing.assert_close(ratio / ratio[0], torch.ones(451).double(), rtol=0.025, atol=0)


class Faint(Listener):
    """A network whose answers are `loudness` times those of a Listener."""

    def __init__(self, loudness):
        super().__init__()
        self.loudness = loudness

    def forward(self, x, t, c=None):
        self.x = x
        return self.loudness * super().forward(x, t, c)


@pytest.mark.parametrize("seed", range(8))
def test_an_error_counts_by_the_weight_of_its_own_level(seed):
    """Of a black-white mean, x_t is noise alone, and the gradient is -2 weight mean(x_t noise)."""
    listener = Faint(0.01)
    for _ in fit(listener, torch.zeros(1, 3, 16, 16), schedule=SCHEDULE, steps=1, batch_size=1,
                 seed=seed):
        slope = listener.scale.grad
    i = listener.levels[0]
    noise = listener.x / (1 - SCHEDULE.alpha_bar[i]).sqrt().float()
    expected = -2 * bound_weights(SCHEDULE)[i] * 0.01 * (listener.x * noise).mean()
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=0)


def test_a_gradient_is_no_longer_than_1():
    listener = Faint(1000.0)
    for _ in small_run(listener, steps=1):
        assert abs(listener.scale.grad) == pytest.approx(1, rel=1e-3)


def test_steps_are_those_of_the_optimizer_in_torch():
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 2, 3))
    unused = torch.nn.Parameter(torch.ones(2))
    ours.register_parameter("unused", unused)
    theirs = copy.deepcopy(ours)
    optimizer = AdamW(ours)
    reference = torch.optim.AdamW(theirs.parameters(), betas=(0.9, 0.99), weight_decay=0.01)
    for rate in (0.1, 0.03, 0.01):
        x = torch.randn(2, 3, 8, 8)
        for nn_model in (ours, theirs):
            nn_model.zero_grad()
            nn_model(x).square().sum().backward()
        reference.param_groups[0]["lr"] = rate
        reference.step()
        optimizer.step(rate)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert unused.tolist() == [1, 1]


def test_training_does_not_import_the_compiler_of_torch():
    """It takes a second, and 70 MB of every student's kernel."""
    code = """if True:
        import sys, torch
        from diffutils import linear_schedule
        from diffutils.training import fit
        from diffutils.votes import PaletteUnet
        nn_model = PaletteUnet(channels=16, hidden=8)
        for record in fit(nn_model, torch.zeros(2, 3, 16, 16), schedule=linear_schedule(), steps=2):
            pass
        print("torch._dynamo" in sys.modules)"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


def test_the_learning_rate_climbs_for_a_tenth_of_a_short_run_and_falls_to_zero(monkeypatch):
    run, rates = small_run(Listener(), steps=40, batch_size=1, learning_rate=1.0), []
    monkeypatch.setattr(run.optimizer, "step", rates.append)
    for _ in run:
        pass
    assert rates[0] < 0.02 and rates[:5] == sorted(rates[:5])
    assert 0.95 < max(rates) <= 1
    assert rates[4:] == sorted(rates[4:], reverse=True) and 0 < rates[-1] < 0.01


def test_the_bands_of_a_record_are_the_fifths_of_the_levels():
    run = small_run()
    run.step, run.seconds = 1, 1.0
    levels = torch.tensor([1, 100, 101, 200, 201, 300, 400, 401, 500])
    errors = torch.tensor([1.0, 3, 5, 7, 9, 11, 13, 15, 17])
    assert run.record(errors, levels).loss_by_band == [2, 6, 10, 13, 16]


def test_the_average_lags_an_eleventh_of_the_steps_behind():
    """Of weights that grow by 1 a step: m' = 10 / n (n - m), so that m = 10/11 n."""
    averaged = [torch.zeros(())]
    for n in range(1, 1001):
        average_last_tenth(averaged, [torch.tensor(float(n))], torch.tensor(n))
    assert averaged[0].item() == pytest.approx(1000 * 10 / 11, rel=0.01)


def test_the_averaged_network_is_between_the_first_and_the_last():
    nn_model = small_network()
    first = nn_model.embed.mix.weight.detach().clone()
    run = small_run(nn_model, steps=40)
    for _ in run:
        pass
    averaged, last = run.model.embed.mix.weight, nn_model.embed.mix.weight
    assert 0 < (averaged - last).norm() < (first - last).norm()


def test_a_fresh_supply_of_sprites_is_asked_for_every_batch():
    x0, contexts = squares()
    asked = []

    def draw(n, generator):
        asked.append(n)
        rows = torch.randint(len(x0), (n,), generator=generator)
        return x0[rows], contexts[rows]

    run = fit(small_network(), draw, schedule=SCHEDULE, steps=6, batch_size=8)
    losses = [r.loss for r in run]
    assert asked == [4096] + [8] * 6  # the first for the palette
    assert losses == [r.loss for r in small_run()]


def test_a_run_without_contexts():
    assert len(list(small_run(contexts=None, steps=2))) == 2


def test_a_run_by_the_clock_ends_on_time_with_its_rate_near_zero():
    run = small_run(steps=None, seconds=0.5)
    records = list(run)
    assert 0.5 <= records[-1].seconds < 1.5
    assert run.finished() and list(run) == []


def test_only_a_run_that_is_over_lets_go_of_what_a_next_step_needs():
    """Gradients and moments: 20 MB for each of a lesson's runs."""
    run = small_run(steps=3)
    for _ in zip(range(2), run, strict=False):
        pass
    assert run.optimizer.moments and all(p.grad is not None for p in run.nn_model.parameters())
    assert len(list(run)) == 1
    assert run.optimizer is None and all(p.grad is None for p in run.nn_model.parameters())


def test_a_run_without_a_budget_goes_on_until_it_is_left():
    run = small_run(steps=None)
    for record in run:
        if record.step == 5:
            break
    assert run.step == 5


def test_an_interrupted_run_is_usable_and_can_be_taken_up_again():
    whole, parts = small_run(), small_run()
    for _ in whole:
        pass
    with pytest.raises(KeyboardInterrupt):
        for record in parts:
            if record.step == 3:
                raise KeyboardInterrupt
    samples, _ = sample_ddim(2, nn_model=parts.model, schedule=SCHEDULE, n=2, progress=False)
    assert torch.isfinite(samples).all()
    assert [r.step for r in parts] == [4, 5, 6]
    assert equal(whole.model, parts.model)


@pytest.mark.parametrize("changed, error, words", [
    ({"steps": 0}, ValueError, "steps is 0"),
    ({"steps": 2.5}, TypeError, "steps is 2.5"),
    ({"seconds": -1}, ValueError, "seconds is -1"),
    ({"batch_size": 0}, ValueError, "batch_size is 0"),
    ({"schedule": "linear"}, TypeError, "schedule is a str"),
    ({"contexts": torch.zeros(3, 5)}, ValueError, r"contexts has shape \(3, 5\)"),
    ({"contexts": torch.zeros(40, 5).long()}, TypeError, "contexts .*int64"),
    ({"nn_model": 3}, TypeError, "nn_model is a int"),
])
def test_bad_arguments_of_fit_are_named(changed, error, words):
    with pytest.raises(error, match=f"fit: {words}"):
        small_run(**changed)


@pytest.mark.parametrize("x0, error, words", [
    (torch.zeros(4, 1, 16, 16), ValueError, r"x0 has shape \(4, 1, 16, 16\)"),
    (torch.zeros(0, 3, 16, 16), ValueError, "x0 has shape"),
    (torch.zeros(4, 3, 16, 16).byte(), TypeError, "x0 holds torch.uint8"),
    (torch.zeros(4, 3, 16, 16).double(), TypeError, "x0 is torch.float64"),
    (torch.full((4, 3, 16, 16), 255.0), ValueError, "x0 reaches from 255 to 255"),
    (torch.full((4, 3, 16, 16), float("nan")), ValueError, "x0 holds numbers that are not"),
])
def test_bad_sprites_are_named(x0, error, words):
    with pytest.raises(error, match=f"fit: {words}"):
        fit(small_network(), x0, schedule=SCHEDULE, steps=1)


def test_sprites_in_another_range_that_fits_are_told():  # in [0, 1], where black is no -1
    x0, _ = squares()
    with pytest.warns(UserWarning, match=r"fit: x0 reaches from 0.*, .* give x0 \* 2 - 1"):
        fit(small_network(), (x0 + 1) / 2, schedule=SCHEDULE, steps=1)


def test_the_palette_is_the_most_frequent_colours():
    grey = torch.tensor([[0, 0, 0], [255, 255, 255], [10, 200, 30]])
    x0 = torch.cat([g.view(1, 3, 1, 1).expand(n, 3, 16, 16) for g, n in
                    zip(grey, (2, 5, 3), strict=True)]) / 127.5 - 1
    colours = frequent_colours(x0)
    assert ((colours + 1) * 127.5).round().tolist() == grey[[1, 2, 0]].tolist()
    run = fit(small_network(), x0, schedule=SCHEDULE, steps=1)
    assert torch.equal(run.model.palette[:3], colours)
    assert (run.model.palette <= 1).all(1).sum() == 3


# --- checkpoints -----------------------------------------------------------------------------


def test_a_resumed_run_ends_bit_equal(tmp_path, monkeypatch):
    monkeypatch.setattr("diffutils.training.CHECKPOINT_EVERY", 2)
    whole = small_run()
    for _ in whole:
        pass
    left = iter(small_run(checkpoint=tmp_path / "run"))
    assert [next(left).step for _ in range(3)] == [1, 2, 3]  # the last checkpoint is at step 2
    shutil.copy(tmp_path / "run", tmp_path / "copy")
    resumed = small_run(small_network(seed=9), checkpoint=tmp_path / "copy")
    assert resumed.step == 2
    for _ in resumed:
        pass
    assert equal(whole.model, resumed.model) and equal(whole.nn_model, resumed.nn_model)


KILLED = """
import sys, torch
sys.path[:0] = {path!r}
torch.set_num_threads(1)
import diffutils.training as training
import test_training
training.CHECKPOINT_EVERY = 1
run = test_training.small_run(checkpoint={checkpoint!r}, steps=100000)
for record in run:
    print(record.step, flush=True)
"""


def test_a_run_killed_anywhere_leaves_a_whole_checkpoint(tmp_path):
    checkpoint = tmp_path / "run"
    path = [os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))]
    code = KILLED.format(path=path, checkpoint=str(checkpoint))
    for turn in range(3):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            for _ in range(4 + turn):
                assert process.stdout.readline()
            process.kill()
        resumed = small_run(checkpoint=checkpoint, steps=100000)
        assert resumed.step >= 4 + turn
    straight = small_run(steps=100000)
    for record in straight:
        if record.step == resumed.step:
            break
    assert equal(straight.model, resumed.model)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    for _ in small_run(checkpoint=tmp_path / "run"):
        pass
    with pytest.raises(ValueError, match='belongs to a run with .*"seed": 0'):
        small_run(checkpoint=tmp_path / "run", seed=1)


# --- weights ---------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    nn_model = small_network()
    with torch.no_grad():
        for parameter in nn_model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    path = tmp_path / "weights.safetensors"
    save_weights(path, nn_model, command="train", data_checksum="abc", scores={"flawless": 0.5})
    return path, nn_model


def test_saved_weights_come_back(saved):
    path, nn_model = saved
    loaded, schedule = load_weights(path)
    assert not loaded.training and equal(nn_model, loaded)
    assert isinstance(schedule, NoiseSchedule)
    assert torch.equal(schedule.alpha_bar, SCHEDULE.alpha_bar)
    x, t, c = torch.randn(2, 3, 16, 16), torch.tensor([0.2, 0.9]), torch.eye(5)[:2]
    assert torch.equal(nn_model(x, t, c), loaded(x, t, c))


def test_metadata_tells_config_schedule_command_data_and_scores(saved):
    metadata = weights_metadata(saved[0])
    assert metadata["command"] == "train" and metadata["data_checksum"] == "abc"
    assert metadata["scores"] == {"flawless": 0.5}
    assert metadata["config"]["channels"] == 16 and len(metadata["config"]["beta"]) == 500


def test_conviction_is_kept(saved, tmp_path):
    nn_model = saved[1]
    nn_model.conviction = 2.5
    save_weights(tmp_path / "sure.safetensors", nn_model)
    assert load_weights(tmp_path / "sure.safetensors")[0].conviction == 2.5


def test_half_floats_halve_the_file(saved, tmp_path):
    path, nn_model = saved
    save_weights(tmp_path / "half.safetensors", nn_model, dtype=torch.float16)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.7 * path.stat().st_size
    half, _ = load_weights(tmp_path / "half.safetensors")
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([0.2, 0.9])
    torch.testing.assert_close(half(x, t), nn_model(x, t), rtol=0, atol=5e-3)


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="load_weights: path is .*none.safetensors"):
        load_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize("content", [
    b"", b"<!DOCTYPE html><html>404</html>", b"\x00" * 64, b"\xff" * 64, pickle.dumps({"a": 1}),
])
def test_foreign_files_are_refused(tmp_path, content):  # known faults 10, 18
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no safetensors file, or is cut short"):
        load_weights(path)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
def test_truncated_weights_are_refused(saved, share):  # known faults 10
    path, _ = saved
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="cut short"):
        load_weights(path)


def test_weights_changed_on_the_way_are_refused(saved):  # known faults 10
    path, _ = saved
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        load_weights(path)


def rewrite(path, change_tensors=None, change_metadata=None):
    from safetensors import safe_open

    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    (change_tensors or dict)(tensors)
    (change_metadata or dict)(metadata)
    save_file(tensors, path, metadata)


@pytest.mark.parametrize("change, words", [
    (lambda t: t.pop("enter.bias"), "lacks tensor 'enter.bias'"),
    (lambda t: t.update(extra=torch.zeros(1)), "unknown tensor 'extra'"),
    (lambda t: t.update({"enter.bias": torch.zeros(7)}), r"'enter.bias' has shape \(7,\)"),
    (lambda t: t["enter.bias"].fill_(float("nan")), "'enter.bias' has values that are not finite"),
    (lambda t: t["enter.bias"][:1].fill_(float("inf")), "'enter.bias' has values that are not fin"),
])
def test_weights_that_do_not_fit_are_named(saved, change, words):
    rewrite(saved[0], change_tensors=change)
    with pytest.raises(ValueError, match=words):
        load_weights(saved[0])


@pytest.mark.parametrize("config", [
    "not json", "[]", "{}", json.dumps({"n_context": 5, "channels": 10**9, "hidden": 8}),
])
def test_a_config_that_cannot_be_built_is_refused(saved, config):
    def change(metadata):
        beta = SCHEDULE.beta[1:].tolist()
        whole = json.loads(config) if config.startswith("{\"n") else None
        metadata["config"] = config if whole is None else json.dumps(whole | {"beta": beta})

    rewrite(saved[0], change_metadata=change)
    with pytest.raises(ValueError, match="config describes no network"):
        load_weights(saved[0])


def test_another_safetensors_file_is_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="has the format None; expected 'diffutils-weights"):
        load_weights(tmp_path / "other.safetensors")


def test_a_write_that_fails_leaves_nothing_behind(saved, monkeypatch):
    path, nn_model = saved
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("diffutils.files.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_weights(path, nn_model, command="again")
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_shipped_weights_load_are_small_and_tell_their_story():
    nn_model, schedule = load_pretrained()
    assert schedule.timesteps == 500
    assert pretrained_path().stat().st_size <= 4e6
    assert weights_metadata(pretrained_path())["command"]
    guess = nn_model(torch.randn(2, 3, 16, 16), torch.tensor(0.5), torch.eye(5)[:2])
    assert torch.isfinite(guess).all()


def test_the_shipped_weights_are_of_the_default_network():
    nn_model, _ = load_pretrained()
    assert nn_model.config | {"conviction": 1.0} == PaletteUnet().config | {"conviction": 1.0}


def test_the_shipped_network_answers_nearly_as_well_as_can_be():
    """Its error against the floor of the whole grammar, on sprites that it may have seen."""
    nn_model, schedule = load_pretrained()
    nn_model.conviction = 1.0
    x0, levels = to_float(forge_sprites(20, seed=99)[0]), [200, 350]
    losses = loss_by_level(nn_model, x0, levels, schedule=schedule)
    floor = loss_by_level(GrammarDenoiser(schedule=schedule), x0, levels, schedule=schedule)
    assert (floor < losses).all() and (losses < 5 * floor).all()


def test_records_are_plain_data():
    record = next(iter(small_run()))
    assert set(dataclasses.asdict(record)) == {
        "step", "loss", "loss_by_band", "images_per_second", "seconds"}


# --- the command -----------------------------------------------------------------------------


def command(*arguments, **environment):
    module = [sys.executable, "-W", "error", "-m", "diffutils.train"]
    return subprocess.run([*module, *arguments], capture_output=True, text=True, timeout=300,
                          env=os.environ | {"OMP_NUM_THREADS": "1"} | environment)


def test_help_of_the_training_command_is_complete():
    text = command("--help").stdout
    for option in ("--output", "--steps", "--seconds", "--batch-size", "--learning-rate", "--seed",
                   "--sprites", "--height", "--checkpoint", "--samples", "--score",
                   "--conviction", "--judge", "--device", "--weights", "--bfloat16"):
        assert option in text


def write_own_sprites(folder, n=24):
    """A folder of small pictures in two classes, for the command to train on."""
    from PIL import Image

    x0, _ = squares(n)
    for k, image in enumerate(x0):
        grey = ((image.permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
        place = folder / ("ab"[k % 2])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey).save(place / f"{k}.png")
    return folder


def run_command(*arguments):
    train.main([str(argument) for argument in arguments])


def test_the_command_trains_on_own_sprites_and_says_how(tmp_path):
    sprites = write_own_sprites(tmp_path / "art")
    same = ("--sprites", sprites, "--steps", 3, "--batch-size", 8, "--checkpoint", tmp_path / "run")
    run_command(*same, "--samples", tmp_path / "sheets", "--output", tmp_path / "own.safetensors")
    nn_model, _ = load_weights(tmp_path / "own.safetensors")
    assert nn_model.n_context == 2
    metadata = weights_metadata(tmp_path / "own.safetensors")
    assert metadata["scores"]["step"] == 3 and "--steps 3" in metadata["command"]
    assert len(metadata["data_checksum"]) == 64
    assert len(list((tmp_path / "sheets").glob("*.png"))) == 3
    run_command(*same, "--output", tmp_path / "again.safetensors")
    other, _ = load_weights(tmp_path / "again.safetensors")
    assert equal(nn_model, other)


def test_training_goes_on_from_weights_that_are_there(saved, tmp_path):
    """With a rate of nearly 0 they come back as they were, palette included."""
    start, nn_model = saved
    nn_model.learn_palette(torch.tensor([[-1.0, 0, 1], [1, 1, 1]]))
    save_weights(start, nn_model)
    sprites, output = write_own_sprites(tmp_path / "art"), str(tmp_path / "more.safetensors")
    given = ["--sprites", str(sprites), "--steps", "1", "--batch-size", "8", "--learning-rate",
             "1e-9", "--bfloat16", "--output", output, "--weights", str(start)]
    refused = command(*given)
    assert refused.returncode != 0 and "contexts of 5; these sprites have 2" in refused.stderr
    for k in "cde":
        shutil.copytree(sprites / "a", sprites / k)
    result = command(*given)
    assert result.returncode == 0, result.stderr
    more, _ = load_weights(output)
    assert torch.equal(more.palette, nn_model.palette)
    for one, other in zip(more.parameters(), nn_model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_a_path_to_sprites_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none is not there"):
        run_command("--sprites", tmp_path / "none", "--steps", 1, "--output", tmp_path / "own")


@pytest.fixture
def small_world(monkeypatch):
    """A schedule of 25 levels and 40 sprites a class."""
    monkeypatch.setattr(train, "linear_schedule", lambda: linear_schedule(25, 0.002, 0.4))
    monkeypatch.setattr("diffutils.sprites.forge.MOST_PER_CLASS", 40)


def test_the_command_trains_on_forged_sprites_and_scores_can_be_measured_anew(
    tmp_path, small_world, capsys
):
    first, again = tmp_path / "first.safetensors", tmp_path / "again.safetensors"
    run_command("--steps", 2, "--batch-size", 4, "--score", 4, "--output", first)
    one = weights_metadata(first)
    kinds = ("ddpm_500", "ddim_25", "ddpm_500_context", "ddim_25_context")
    for kind in kinds:
        assert one["scores"][f"{kind}_flawless"].endswith("of 4")
        assert 0 <= float(one["scores"][f"{kind}_pixels_within"].split()[0]) <= 100
    assert one["data_checksum"] == train.forged(0).checksum() != train.forged(1).checksum()
    assert f"written: {first}" in capsys.readouterr().out
    run_command("--judge", first, "--score", 3, "--conviction", 1.5, "--output", again)
    other = weights_metadata(again)
    assert other["scores"]["ddim_25_flawless"].endswith("of 3") and other["scores"]["step"] == 2
    assert (other["config"]["conviction"], one["config"]["conviction"]) == (1.5, 20)
    assert other["command"] == one["command"]
    assert equal_weights(load_weights(first)[0], load_weights(again)[0])
    with pytest.raises(SystemExit, match="not trained on the sprites of --seed 1"):
        run_command("--judge", first, "--seed", 1, "--output", again)


def test_the_class_is_told_of_the_flawless_and_of_all(monkeypatch):
    as_asked = [forge_sprites(1, 0, classes=[name])[0] for name in train.CLASSES]
    drawn = to_float(np.concatenate([*as_asked[:4], as_asked[0]]))  # the last: a hero, too
    drawn[:2, :, 0, 0] = -1.0  # a black corner: read all the same, and not flawless
    monkeypatch.setattr(train, "draw", lambda *_: drawn)
    _, _, factors = forge_sprites(1, 0)
    scores = train.measure(None, None, factors, SimpleNamespace(score=5))
    assert scores["ddim_25_context_flawless"].endswith("3 of 5")
    assert scores["ddim_25_context_class"].endswith("2 of 3")
    assert scores["ddim_25_context_class_of_all"].endswith("4 of 5")


def test_a_command_that_is_stopped_keeps_what_was_learned(tmp_path, small_world, monkeypatch,
                                                          capsys):
    def stop(run, options, show):
        next(iter(run))
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", stop)
    run_command("--steps", 9, "--batch-size", 4, "--score", 0, "--output", tmp_path / "own")
    assert weights_metadata(tmp_path / "own")["scores"]["step"] == 1
    assert "keeping what was learned" in capsys.readouterr().err


def test_the_command_trains_for_an_hour_unless_told_otherwise():
    assert train.parse([]).seconds == 3600
    assert train.parse(["--steps", "5"]).seconds is None


def test_forged_sprites_have_no_other_height(capsys):
    with pytest.raises(SystemExit):
        train.parse(["--height", "24"])
    assert "--height is 24; forged sprites have 16" in capsys.readouterr().err


def test_classes_of_any_size_are_drawn_equally_often(generator):
    images = [np.full((n, 16, 16, 3), shade, np.uint8) for n, shade in ((1, 0), (300, 255))]
    contexts = [np.eye(2, dtype=np.float32)[[k] * len(part)] for k, part in enumerate(images)]
    x0, c = train.Sprites(images, contexts)(2000, generator)
    assert x0.shape == (2000, 3, 16, 16) and set(x0.unique().tolist()) == {-1, 1}
    assert abs(c[:, 0].mean() - 0.5) < 3 * (0.25 / 2000) ** 0.5
    assert torch.equal(x0[:, 0, 0, 0], c[:, 1] * 2 - 1)


@pytest.fixture
def accelerator(monkeypatch):
    """What `accelerate launch --cpu` gives to a single process; nothing of it is left behind."""
    from accelerate.state import AcceleratorState

    for name, value in (("USE_CPU", "true"), ("MIXED_PRECISION", "no")):
        monkeypatch.setenv(f"ACCELERATE_{name}", value)
    yield train.make_accelerator()
    AcceleratorState._reset_state(reset_partial_state=True)


def test_one_process_under_accelerate_trains_as_without(accelerator, monkeypatch):
    run, alone = small_run(accelerator=accelerator), small_run()
    assert [r.loss for r in run] == [r.loss for r in alone]
    assert equal(run.model, alone.model)
    monkeypatch.undo()
    assert train.make_accelerator() is None


# --- a checkpoint is of its run, and of the moment -----------------------------------------------


def told(path):
    """What the metadata of a file say."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata()


def other_squares(x0):
    return torch.cat([x0[1:], -x0[:1]])


@pytest.mark.parametrize("changed, word", [
    ({"x0": other_squares}, "sprites"),
    ({"x0": lambda x0: x0[..., :8, :8].contiguous()}, "height"),
    ({"contexts": squares()[1].flip(0)}, "contexts"),
    ({"contexts": None}, "contexts"),
    ({"bfloat16": True}, "multiplied in bfloat16"),
    ({"level_weights": min_snr_weights}, "level_weights"),
    ({"nn_model": PaletteUnet(channels=8, hidden=8)}, r"channels=16.*channels=8"),
    ({"nn_model": ContextUnet(channels=16, hidden=8)}, "PaletteUnet.*ContextUnet"),
    ({"batch_size": 9}, "batch_size"),
])
def test_a_checkpoint_of_a_run_that_differs_is_refused_naming_it(tmp_path, changed, word):
    path = tmp_path / "run"
    for _ in small_run(checkpoint=path, steps=2):
        pass
    before, (x0, contexts) = path.read_bytes(), squares()
    x0 = changed.get("x0", torch.Tensor)(x0) if "x0" in changed else x0
    arguments = {"schedule": SCHEDULE, "contexts": contexts, "steps": 2, "batch_size": 8}
    arguments |= {name: value for name, value in changed.items() if name not in ("x0", "nn_model")}
    with pytest.raises(ValueError, match=f"fit: checkpoint .* belongs to a run with .*{word}"):
        fit(changed.get("nn_model") or small_network(), x0, checkpoint=path, **arguments)
    assert path.read_bytes() == before


def test_a_checkpoint_of_another_schedule_or_precision_is_refused(tmp_path):
    for _ in small_run(checkpoint=tmp_path / "run", steps=2):
        pass
    bent = PaletteUnet(channels=16, hidden=8, schedule=cosine_schedule())
    with pytest.raises(ValueError, match="timesteps=500.* this one has .*timesteps=500"):
        small_run(bent, schedule=cosine_schedule(), checkpoint=tmp_path / "run", steps=2)
    with pytest.raises(ValueError, match="torch.float32.* this one has .*torch.float64"):
        small_run(small_network().double(), checkpoint=tmp_path / "run", steps=2)


def test_functions_that_draw_are_known_by_what_they_draw(tmp_path):
    x0, _ = squares()

    def drawer(x0):
        return lambda n, generator: (x0[torch.randint(len(x0), (n,), generator=generator)], None)

    def run(draw):
        return fit(small_network(), draw, schedule=SCHEDULE, steps=2, batch_size=4,
                   checkpoint=tmp_path / "run")

    list(run(drawer(x0)))
    assert run(drawer(x0)).finished()
    with pytest.raises(ValueError, match="belongs to a run with .*sprites"):
        run(drawer(other_squares(x0)))


def test_numbers_of_numpy_go_into_a_checkpoint(tmp_path):
    for _ in small_run(checkpoint=tmp_path / "run", steps=np.int64(1), batch_size=np.int32(4)):
        pass
    assert json.loads(told(tmp_path / "run")["run"])["batch_size"] == 4


def test_weights_that_are_no_numbers_are_never_in_a_checkpoint(tmp_path):
    run = small_run(checkpoint=tmp_path / "run", steps=3)
    with pytest.warns(UserWarning, match="no checkpoint of step 2: .* not finite"):
        for record in run:
            if record.step == 1:
                run.nn_model.enter.bias.data.fill_(torch.nan)
                run.saved = 1
                next(steps := iter(run))
                steps.close()
                break
    assert int(told(tmp_path / "run")["step"]) == 0
    assert small_run(checkpoint=tmp_path / "run", steps=3).step == 0


@pytest.mark.parametrize("how", ["break", "an error in the loop", "the stop button in a step"])
def test_however_a_loop_is_left_the_checkpoint_is_of_that_moment(tmp_path, how):
    whole, path = small_run(steps=6), tmp_path / "run"
    list(whole)
    run = small_run(checkpoint=path)
    draw = run.draw

    def stopped(n, generator):
        if how.startswith("the stop") and run.step == 2:
            signal.raise_signal(signal.SIGINT)
        return draw(n, generator)

    run.draw = stopped
    with contextlib.suppress(KeyboardInterrupt, ArithmeticError):
        for record in run:
            if record.step == 3 and how == "break":
                break
            if record.step == 3:
                raise ArithmeticError
    assert int(told(path)["step"]) == run.step == 3
    resumed = small_run(small_network(seed=9), checkpoint=path)
    assert resumed.step == 3
    list(resumed)
    assert equal(whole.model, resumed.model)


def test_a_step_that_fails_changes_nothing(tmp_path):
    whole, run = small_run(), small_run(checkpoint=tmp_path / "run")
    list(whole)
    share, fail = run.share, [True]

    def failing(*batch):
        if run.step == 2 and fail.pop() if fail else False:
            raise MemoryError
        return share(*batch)

    run.share = failing
    with pytest.raises(MemoryError):
        list(run)
    assert int(told(tmp_path / "run")["step"]) == 2
    list(run)
    assert equal(whole.model, run.model)


def test_sigterm_in_a_loop_ends_the_process_with_the_checkpoint_of_that_moment(tmp_path):
    path = [os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))]
    code = KILLED.format(path=path, checkpoint=str(tmp_path / "run")).replace(
        "CHECKPOINT_EVERY = 1", "CHECKPOINT_EVERY = 10**9")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        for _ in range(4):
            assert process.stdout.readline()
        process.terminate()
        last = process.stdout.read().split()
    assert process.returncode == -signal.SIGTERM
    assert int(told(tmp_path / "run")["step"]) >= int([b"4", *last][-1])


def test_a_command_that_is_told_to_end_keeps_weights_and_checkpoint_and_judges_nothing(
    tmp_path, small_world, monkeypatch, capsys
):
    def stop(run, options, show):
        for record in run:
            if record.step == 3:
                signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(train, "train", stop)
    with pytest.raises(SystemExit) as ended:
        run_command("--steps", 9, "--batch-size", 4, "--checkpoint", tmp_path / "run",
                    "--output", tmp_path / "own")
    assert ended.value.code == 143 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    scores = weights_metadata(tmp_path / "own")["scores"]
    assert scores["step"] == 3 and not any("flawless" in name for name in scores)
    assert int(told(tmp_path / "run")["step"]) == 3


def test_weights_are_written_before_they_are_judged(tmp_path, small_world, monkeypatch, capsys):
    def measure(*_):
        assert weights_metadata(tmp_path / "own")["scores"]["step"] == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "measure", measure)
    run_command("--steps", 1, "--batch-size", 4, "--output", tmp_path / "own")
    assert load_weights(tmp_path / "own") and "has not been judged" in capsys.readouterr().err


# --- a network knows its schedule; wrappers and other precisions ----------------------------------


both = pytest.mark.parametrize("kind", [ContextUnet, PaletteUnet])


@both
def test_another_schedule_than_the_networks_is_refused_everywhere(kind):
    nn_model, x0 = kind(channels=8, hidden=8), torch.zeros(2, 3, 8, 8)
    plain = torch.nn.DataParallel(nn_model)
    for other in (cosine_schedule(), linear_schedule(25), linear_schedule(beta_end=0.0201)):
        for network in (nn_model, plain):
            given = {"nn_model": network, "schedule": other}
            words = rf"schedule is NoiseSchedule.*{kind.__name__}\(schedule=...\)"
            for call in (
                lambda given=given: fit(x0=x0, **given),
                lambda given=given: sample_ddim(1, n=2, height=8, progress=False, **given),
                lambda given=given: sample_ddpm(1, height=8, progress=False, **given),
                lambda given=given: guess_noise(x=x0, i=3, **given),
                lambda given=given: loss_by_level(x0=x0, levels=[3], **given),
            ):
                with pytest.raises(ValueError, match=words):
                    call()


@both
def test_an_equal_schedule_and_a_callable_that_knows_none_are_taken(kind):
    nn_model = kind(channels=8, hidden=8)
    given = {"n": 2, "height": 8, "progress": False}
    sample_ddim(1, nn_model=nn_model, schedule=linear_schedule(), **given)
    sample_ddim(1, nn_model=lambda x, t: nn_model(x, t), schedule=cosine_schedule(), **given)


@both
def test_what_changes_the_answer_is_in_the_state(kind):
    torch.manual_seed(0)
    one, other = kind(channels=8, hidden=8, schedule=linear_schedule(20, 0.002, 0.3)), \
        kind(channels=8, hidden=8)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    one.conviction = 3.0
    other.load_state_dict(one.state_dict())
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([0.2, 1.0])
    assert torch.equal(one(x, t), other(x, t))
    assert torch.equal(one.schedule.alpha_bar, other.schedule.alpha_bar)
    assert kind is ContextUnet or other.conviction == 3


class OptimizedModule(torch.nn.Module):
    """What torch.compile gives, by name; its own takes ten seconds to import."""

    def __init__(self, nn_model):
        super().__init__()
        self._orig_mod = nn_model

    def forward(self, *arguments):
        return self._orig_mod(*arguments)


@pytest.mark.parametrize("wrap", [
    torch.nn.DataParallel, AveragedModel, OptimizedModule,
    lambda nn_model: torch.nn.DataParallel(OptimizedModule(nn_model)),
])
def test_wrapped_networks_train_sample_and_are_saved(wrap, tmp_path):
    nn_model = small_network()
    wrapped, straight = wrap(nn_model), small_run()
    if wrap is AveragedModel:
        nn_model = wrapped.module  # a copy
    run = small_run(wrapped, checkpoint=tmp_path / "run")
    assert [r.loss for r in run] == [r.loss for r in straight]
    assert equal(run.model, straight.model)
    given = {"n": 2, "height": 8, "progress": False, "schedule": SCHEDULE}
    one, other = (sample_ddim(1, nn_model=each, generator=torch.Generator().manual_seed(0),
                              **given)[0] for each in (wrapped, nn_model))
    assert torch.equal(one, other)
    save_weights(tmp_path / "own", wrapped)
    assert equal(load_weights(tmp_path / "own")[0], nn_model)


@both
def test_a_network_in_float64_trains_and_samples_in_float64(kind):
    nn_model = kind(channels=8, hidden=8).double()
    run = fit(nn_model, squares()[0], schedule=SCHEDULE, steps=2, batch_size=4)
    same = fit(kind(channels=8, hidden=8), squares()[0], schedule=SCHEDULE, steps=2, batch_size=4)
    for one, other in zip(run, same, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=0.2)
    samples, trajectory = sample_ddpm(2, nn_model=run.model, schedule=SCHEDULE, height=8,
                                      context=torch.eye(5)[:2], guidance=2, progress=False)
    assert samples.dtype == trajectory.x.dtype == torch.float64 and samples.isfinite().all()


@both
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_network_in_half_precision_is_told_so_by_its_own_name(kind, half):
    nn_model, x0 = kind(channels=8, hidden=8).to(half), torch.zeros(2, 3, 8, 8)
    for call in (
        lambda: fit(nn_model, x0, schedule=SCHEDULE),
        lambda: sample_ddim(1, n=2, nn_model=nn_model, schedule=SCHEDULE, progress=False),
        lambda: nn_model(x0.to(half), torch.tensor(0.5)),
        lambda: guess_noise(nn_model, x0, 3, schedule=SCHEDULE),
    ):
        with pytest.raises(TypeError, match=rf"network|nn_model.* {half}.*nn_model.float\(\)"):
            call()


@both
def test_another_default_dtype_changes_no_sprite(kind, tmp_path):
    save_weights(tmp_path / "own", kind(channels=8, hidden=8))
    x0, _ = squares()

    def draw():
        nn_model, schedule = load_weights(tmp_path / "own")
        assert next(nn_model.parameters()).dtype == torch.float32
        list(fit(nn_model, x0, schedule=schedule, steps=2, batch_size=4))
        return sample_ddim(1, n=2, nn_model=nn_model, schedule=schedule, progress=False,
                           generator=torch.Generator().manual_seed(0))[0]

    before = draw()
    torch.set_default_dtype(torch.float64)
    try:
        after = draw()
        list(fit(kind(channels=8, hidden=8), x0, schedule=SCHEDULE, steps=2))
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_an_accelerator_that_gathers_steps_is_refused(accelerator):
    accelerator.gradient_accumulation_steps = 2
    with pytest.raises(ValueError, match="accelerator gathers 2 steps"):
        small_run(accelerator=accelerator)

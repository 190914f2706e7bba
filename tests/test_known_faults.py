"""Faults of published diffusion code, each with the test that would have caught it.

1   the noise scaled by its variance: (1 - alpha_bar) without the root
2   layers built inside `forward`: untrained, unsaved, random even in eval mode
3   alpha_bar built with a wrong first entry and then patched
4   DDIM levels that wrap round to a negative index when n does not divide T
5   a last level called pure noise that is not
6   pictures stretched to their own minimum and maximum
7   fractional contexts cut to integers
8   heights wired in: 32 pixels crash
9   repeated sprites counted as data, classes out of balance
10  weights missing or replaced by a web page
12  context dropout trained, guidance never offered
13  noise added on the last step
14  levels trained differ from levels sampled
15  independent snapshots shown as a path
16  DDIM with the wrong variance of fresh noise, hidden by a clamp
17  averaged weights beside buffers that went stale
18  checkpoints that execute code when they are loaded
19  animations that need a content network
20  progress printed line by line
22  an oracle that is itself wrong (see test_ideal.py: two independent ones)
25  style sheets, weights or data from the network at run time
"""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

import diffutils
from diffutils import (
    IdealDenoiser,
    denoise_ddim,
    linear_schedule,
    perturb_input,
    rescale_zero_terminal_snr,
    sample_ddim,
    sample_ddpm,
)
from diffutils.pixels import to_uint8
from diffutils.sprites import forge_sprites
from diffutils.stage.figures import show_sprites
from diffutils.stage.player import play
from diffutils.training import fit
from diffutils.votes import PaletteUnet
from diffutils.weights import load_weights

SCHEDULE = linear_schedule()
PACKAGE = Path(diffutils.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.fixture
def nn_model():
    torch.manual_seed(0)
    model = PaletteUnet().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def test_fault_01_unit_variance_data_keeps_variance_1_at_every_level(generator):
    x, noise = torch.randn(2, 200, 3, 16, 16, generator=generator)
    for i in range(0, 501, 25):
        variance = perturb_input(x, i, noise, schedule=SCHEDULE).var()
        assert abs(float(variance) - 1) < 0.02, f"level {i}: variance {variance:.3f}"


def test_fault_02_forward_builds_no_layers_and_two_forwards_are_bit_equal(nn_model, generator):
    x, t = torch.randn(2, 3, 16, 16, generator=generator), torch.tensor([0.5])
    with torch.no_grad():
        assert torch.equal(nn_model(x, t), nn_model(x, t))
    used = {name for name, _ in nn_model.named_parameters()}
    assert used <= set(nn_model.state_dict())
    for module in nn_model.modules():
        source = inspect.getsource(type(module).forward)
        assert not isinstance(module, nn.Conv2d) or "nn.Conv2d(" not in source


def test_fault_03_alpha_bar_is_the_running_product_from_a_clean_level_0():
    assert SCHEDULE.alpha_bar[0] == 1
    assert_close(SCHEDULE.alpha_bar[1:], SCHEDULE.alpha_bar[:-1] * SCHEDULE.alpha[1:])
    assert SCHEDULE.alpha_bar[1] == 1 - SCHEDULE.beta[1]


@pytest.mark.parametrize("n", [1, 7, 30, 300, 499, 500])
def test_fault_04_ddim_asks_at_each_of_its_n_levels_once_and_ends_at_0(n):
    asked = []

    def nn_model(x, t, c=None):
        asked.append(round(float(t) * 500))
        return x

    _, trajectory = sample_ddim(
        1, n=n, nn_model=nn_model, schedule=SCHEDULE, height=2, progress=False
    )
    assert len(set(asked)) == len(asked) == n
    assert asked == sorted(asked, reverse=True) and asked[0] == 500 and asked[-1] > 0
    assert trajectory.levels[-1] == 0


def test_fault_05_the_signal_left_at_the_last_level_is_told_and_can_be_removed():
    assert f"terminal_signal={SCHEDULE.terminal_signal:.4f}" in repr(SCHEDULE)
    assert SCHEDULE.terminal_signal > 0.05
    assert rescale_zero_terminal_snr(SCHEDULE).terminal_signal == 0


def test_fault_06_one_pixel_map_for_every_picture():
    """A faint picture stays faint: -0.1 and 0.1 are two near greys, whatever else is shown."""
    faint = torch.full((1, 3, 16, 16), -0.1)
    faint[..., 8:] = 0.1
    assert set(np.unique(to_uint8(faint))) == {115, 140}
    alone = show_sprites(faint, scale=2).png
    assert alone == show_sprites(to_uint8(faint), scale=2).png


def test_fault_07_fractions_of_a_context_count_and_integers_are_refused(nn_model, generator):
    x, t = torch.randn(1, 3, 16, 16, generator=generator), torch.tensor([0.5])
    with torch.no_grad():
        half = nn_model(x, t, torch.tensor([[0.6, 0, 0, 0, 0]]))
        assert not torch.allclose(half, nn_model(x, t, torch.tensor([[0.0, 0, 0, 0, 0]])))
    with pytest.raises(TypeError, match="c is torch.int64"):
        nn_model(x, t, torch.tensor([[1, 0, 0, 0, 0]]))


@pytest.mark.parametrize("height", [8, 16, 24, 32])
def test_fault_08_other_heights_run(nn_model, height):
    samples, _ = sample_ddim(
        1, n=2, nn_model=nn_model, schedule=SCHEDULE, height=height, progress=False
    )
    assert samples.shape == (1, 3, height, height) and samples.isfinite().all()


def test_fault_09_sprites_are_unique_and_classes_balanced():
    images, contexts, _ = forge_sprites(2000, seed=0)
    assert len(np.unique(images.reshape(2000, -1), axis=0)) == 2000
    assert set(contexts.sum(0)) == {400.0}


def test_fault_10_a_web_page_in_place_of_weights_is_named(tmp_path):
    page = tmp_path / "sprites.safetensors"
    page.write_text("<!DOCTYPE html><html>404</html>")
    with pytest.raises(ValueError, match="sprites.safetensors"):
        load_weights(page)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_weights(tmp_path / "nowhere.safetensors")


def test_fault_12_guidance_0_is_unconditional_and_1_is_conditional(nn_model):
    context = torch.eye(5)[:2]

    def draw(**kwargs):
        generator = torch.Generator().manual_seed(1)
        arguments = {"nn_model": nn_model, "schedule": SCHEDULE, "progress": False}
        return sample_ddim(2, n=3, generator=generator, **arguments, **kwargs)[0]

    assert torch.equal(draw(context=context, guidance=0), draw())
    assert_close(draw(context=context, guidance=1), draw(context=context), rtol=0, atol=1e-4)
    assert not torch.allclose(draw(context=context), draw(), atol=1e-3)


def test_fault_13_the_last_step_adds_no_noise(generator):
    sprite = torch.rand(1, 3, 16, 16, generator=generator) * 2 - 1
    ideal = IdealDenoiser(sprite, schedule=SCHEDULE)
    samples, _ = sample_ddpm(2, nn_model=ideal, schedule=SCHEDULE, progress=False)
    assert_close(samples, sprite.expand(2, -1, -1, -1), rtol=0, atol=1e-5)


def test_fault_14_levels_trained_are_levels_sampled():
    """1..T both times: never 0, and T not left out."""
    trained, sampled = set(), set()

    class Listener(nn.Module):
        def __init__(self, heard):
            super().__init__()
            self.heard, self.weight = heard, nn.Parameter(torch.zeros(()))

        def forward(self, x, t, c=None):
            self.heard.update((t.flatten() * 20).round().long().tolist())
            return self.weight * x

    short = linear_schedule(20)
    for _ in fit(Listener(trained), torch.zeros(4, 3, 8, 8), schedule=short, steps=20):
        pass
    sample_ddpm(1, nn_model=Listener(sampled), schedule=short, height=8, progress=False)
    assert trained == sampled == set(range(1, 21))


def test_fault_16_with_eta_1_each_step_of_ddim_has_the_variance_of_the_posterior():
    x = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    for i in range(2, 501):
        added = denoise_ddim(x, i, i - 1, x, schedule=SCHEDULE, eta=1, z=x + 1)
        below, here = SCHEDULE.alpha_bar[[i - 1, i]]
        wanted = SCHEDULE.beta[i] * (1 - below) / (1 - here)
        assert added.item() ** 2 == pytest.approx(wanted.item(), rel=1e-9)


def test_fault_17_the_network_keeps_no_statistics_that_an_average_could_miss(nn_model):
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in nn_model.modules())
    before = {name: buffer.clone() for name, buffer in nn_model.named_buffers()}
    nn_model.train()(torch.randn(4, 3, 16, 16), torch.rand(4))
    assert all(torch.equal(before[name], b) for name, b in nn_model.named_buffers())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_fault_18_nothing_that_is_loaded_is_executed(path):
    """No pickle, no torch.load, no eval, exec or shell anywhere in the package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            forbidden = {
                "pickle",
                "subprocess",
                "shelve",
                "marshal",
                "urllib",
                "socket",
                "requests",
            }
            assert not forbidden & {name.split(".")[0] for name in names}
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "compile", "torch.load", "os.system", "os.popen")
            assert not any(k.arg == "allow_pickle" and k.value.value for k in node.keywords)


def test_fault_19_and_25_moving_pictures_need_no_network():
    html = play(torch.zeros(3, 2, 3, 16, 16), ["a", "b", "c"])._repr_mimebundle_()["text/html"]
    assert "http" not in html and len(html) < 150_000
    assert "<img" in html.split("<script")[0]  # what is left where scripts are taken out


def test_fault_20_a_run_without_a_progress_bar_prints_nothing(capsys):
    sample_ddpm(1, nn_model=lambda x, t: x, schedule=linear_schedule(3), height=1, progress=False)
    assert capsys.readouterr() == ("", "")

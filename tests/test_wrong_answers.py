"""Answers that no bank holds, as students write them: wrong ones named, right ones passed.

The right answers are written in unusual ways. The wrong ones were written without a look at the
banks' functions; at least four of five must be named, for every exercise and in all.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
import pytest
import torch

import diffutils
from diffutils import denoise_add_noise, perturb_input, predict_x0
from diffutils.stage import checks

UNNAMED = {"unknown", "not-done"}


def check(name, function):
    if name == "guidance, paper":
        return checks.guidance(function, convention="paper")
    return getattr(checks, name)(function)


# --- formulas, as text: what stands behind "return", with the names that the lesson uses ----------

SIGNATURES = {
    "beta_schedule": "timesteps, beta_start, beta_end",
    "alpha_bar": "beta",
    "perturb_input": "x, i, noise, *, schedule",
    "predict_x0": "x_t, i, noise, *, schedule",
    "posterior_shares": "x_t, x0, alpha_bar",
    "effective_number": "shares",
    "mixing_desk": "h, scale, shift",
    "guidance": "eps_with, eps_without, w",
    "guidance, paper": "eps_with, eps_without, w",
    "ddim_step": "x, i, i_prev, pred_noise, *, schedule",
    "ddim_levels": "n, timesteps",
    "context_dropout": "c, probability",
    "training_loss": "x0, *, nn_model, schedule",
    "sampler_loop": "x, *, nn_model, schedule",
}
SHORT = """
    if "schedule" in locals():
        ab, a, b, T = schedule.alpha_bar, schedule.alpha, schedule.beta, schedule.timesteps
    zero = torch.zeros(1, dtype=torch.float64)
"""


def build(name, body):
    """A student's function from its body, or from what it returns."""
    lines = body.strip("\n").splitlines()
    if len(lines) == 1 and "return" not in body:
        lines = [f"    return {body.strip()}"]
    text = f"def student({SIGNATURES[name]}):\n{SHORT.strip(chr(10))}\n" + "\n".join(lines) + "\n"
    space = {
        "torch": torch, "np": np, "math": math, "denoise_add_noise": denoise_add_noise,
        "perturb_input": perturb_input, "predict_x0": predict_x0, "diffutils": diffutils,
    }  # fmt: skip
    exec(compile(text, "student", "exec"), space)  # noqa: S102
    return space["student"]


LINE = "torch.linspace(beta_start, beta_end, timesteps, dtype=torch.float64)"
DIST = "((x_t - alpha_bar**0.5 * x0) ** 2).flatten(1).sum(1)"
LOSS = """
    i = {i}
    noise = {noise}
    x_t = {x_t}
    guess = nn_model({seen}, {t})
    return {loss}
"""
LOSS_PARTS = {
    "i": "torch.randint(1, T + 1, (len(x0),))", "noise": "torch.randn_like(x0)",
    "x_t": "perturb_input(x0, i, noise, schedule=schedule)", "seen": "x_t", "t": "i / T",
    "loss": "((guess - noise) ** 2).mean()",
}  # fmt: skip
LOOP = """
    for i in {levels}:
        z = {z}
        eps = nn_model({seen}, {t})
        x = {step}
    return {back}
"""
LOOP_PARTS = {
    "levels": "range(T, 0, -1)", "z": "torch.randn_like(x) if i > 1 else 0", "seen": "x",
    "t": "i / T", "step": "denoise_add_noise(x, i, eps, z, schedule=schedule)", "back": "x",
}  # fmt: skip


def loss(**parts):
    return LOSS.format(**{**LOSS_PARTS, **parts})


def loop(**parts):
    return LOOP.format(**{**LOOP_PARTS, **parts})


WRONG = {
    "beta_schedule": [
        "torch.linspace(0, beta_end, timesteps + 1)",
        f"torch.cat([{LINE}, zero])",
        f"torch.cat([zero, {LINE}])[1:]",
        f"torch.cat([zero, {LINE} * 2])",
        f"torch.cat([zero, {LINE}]).sqrt()",
        f"1 - torch.cat([zero, {LINE}])",
        f"torch.cat([zero + 1, {LINE}])",
        f"torch.cat([zero + beta_start, {LINE}])",
        f"torch.cat([zero, {LINE}.flip(0)])",
        "torch.linspace(beta_start, beta_end, timesteps)",
        "torch.linspace(beta_start, beta_end, 501)",
        f"torch.cat([zero, {LINE} / timesteps])",
        "torch.cat([zero, torch.ones(timesteps, dtype=torch.float64) * beta_end / 2])",
        "torch.cat([zero, torch.arange(timesteps) * (beta_end - beta_start) / timesteps])",
        "torch.cat([zero, beta_start + torch.arange(timesteps) * beta_end / (timesteps - 1)])",
        "[0] + [beta_start * (k + 1) for k in range(timesteps)]",
        "torch.cat([zero, torch.linspace(1e-4, 0.02, timesteps)])",
        "torch.cat([zero, torch.linspace(beta_start, beta_end, 500)])",
        f"torch.cat([zero, {LINE}])[:, None]",
        f"-torch.cat([zero, {LINE}])",
        f"torch.cat([zero, {LINE}]) + 0.001",
        "torch.arange(beta_start, beta_end, timesteps)",
    ],
    "alpha_bar": [
        "(1 - beta).cumprod(0).flip(0)", "1 - beta.cumprod(0)", "(1 - beta**2).cumprod(0)",
        "(1 - beta).sqrt().cumprod(0)", "(1 - beta).cumprod(0)[1:]", "beta.cumprod(0)",
        "(1 - 2 * beta).cumprod(0)", "(1 - beta / 2).cumprod(0)", "1 / (1 + beta).cumprod(0)",
        "(1 - beta).prod().expand(len(beta))", "torch.ones_like(beta)", "1 - beta",
        "(1 - beta.sqrt()).cumprod(0)", "torch.exp(-beta).cumprod(0)",
        "[1 - float(beta[:k].sum()) for k in range(len(beta))]", "(1 - beta).cumprod(0) * beta",
        "(1 - beta).cumprod(0) / 2", "2 * (1 - beta).cumprod(0) - 1", "(beta - 1).cumprod(0)",
        "torch.cat([(1 - beta)[1:].cumprod(0), zero])", "(1 - beta).cumprod(0).round()",
        "(1 - beta).cumprod(0)[None]",
        "    out, left = [], torch.tensor(1.0)\n    for b in beta:\n        left *= 1 - b\n"
        "        out.append(left)\n    return torch.stack(out)",
    ],
    "perturb_input": [
        "ab[i] ** 0.5 * x + (1 - ab[i] ** 0.5) ** 0.5 * noise", "ab[i] * x + ab[i] * noise",
        "ab[i] ** 0.5 * x - (1 - ab[i]) * noise", "ab[i].sqrt() * (x + noise)",
        "ab[i].sqrt() * x + ab[i].sqrt() * noise", "x + (1 - ab[i]).sqrt() * noise * ab[i].sqrt()",
        "ab[i].sqrt() * x + (1 - ab[i]).sqrt() * torch.randn_like(x)", "x + noise",
        "ab[i].sqrt() * x + (1 + ab[i]).sqrt() * noise", "a[i] * x + b[i] * noise",
        "ab[i] ** 2 * x + (1 - ab[i] ** 2) * noise", "(1 - ab[i]).sqrt() * x + ab[i].sqrt() * noise",
        "ab[i].sqrt() * x + b[i] * noise", "ab[T - i].sqrt() * x + (1 - ab[T - i]).sqrt() * noise",
        "ab[i].sqrt() * x + (1 - ab[i]).sqrt() * noise / noise.std()", "ab[i].sqrt() * x + noise / 2",
        "(ab[i].sqrt() * x + (1 - ab[i]).sqrt() * noise).clamp(-1, 1)",
        "ab[i].sqrt() * x * (1 - ab[i]).sqrt() * noise", "ab[i].sqrt() / x + noise",
        "(i / T) ** 0.5 * noise + (1 - i / T) ** 0.5 * x", "ab[i].sqrt() * x[:1] + noise[:1]",
        "diffutils.linear_schedule().alpha_bar[i].sqrt() * x + (1 - ab[i]).sqrt() * noise",
        "ab[i].sqrt() * x + (1 - ab[i]).sqrt() * noise.mean()",
        "ab[i].sqrt() * x + (1 - ab[i]).sqrt() * x",
    ],
    "predict_x0": [
        "(x_t + (1 - ab[i]).sqrt() * noise) / ab[i].sqrt()", "x_t - noise", "x_t / ab[i].sqrt()",
        "(x_t - (1 - ab[i]).sqrt() * noise) / ab[i]", "(x_t - noise) / ab[i].sqrt()",
        "(x_t - (1 - ab[i]).sqrt() * noise) * ab[i].sqrt()", "(x_t - b[i].sqrt() * noise) / a[i]",
        "(x_t - ab[i].sqrt() * noise) / ab[i].sqrt()", "x_t - (1 - ab[i]).sqrt() * noise / ab[i]",
        "(x_t - (1 - ab[i]) * noise) / ab[i]", "(x_t - b[i] * noise) / a[i].sqrt()",
        "(x_t - (1 - ab[i - 1]).sqrt() * noise) / ab[i].sqrt()", "(x_t - noise * ab[i]) / a[i]",
        "(x_t - (1 - ab[i]).sqrt() * torch.randn_like(x_t)) / ab[i].sqrt()",
        "(x_t - (1 - ab[i]).sqrt() * noise) / (1 - ab[i])",
        "((x_t - (1 - ab[i]).sqrt() * noise) / ab[i].sqrt()).round()",
        "(x_t - (1 - ab[i]).sqrt() * noise.mean()) / ab[i].sqrt()",
        "(1 - ab[i]).sqrt() * noise / ab[i].sqrt()", "(x_t - (1 - ab[i]).sqrt() * noise) / 2",
        "(x_t / (1 - ab[i]).sqrt() - noise) / ab[i].sqrt()",
        "(x_t - (1 - ab[i]).sqrt() * noise) / ab[i].sqrt() + 0.1",
        "(x_t - (1 - ab[i]).sqrt() * x_t) / ab[i].sqrt()",
    ],
    "posterior_shares": [
        f"torch.softmax(-{DIST}, 0)", f"torch.softmax(-{DIST} / (1 - alpha_bar), 0)",
        f"torch.softmax({DIST} / (2 * (1 - alpha_bar)), 0)", f"{DIST} / {DIST}.sum()",
        f"torch.exp(-{DIST} / (2 * (1 - alpha_bar)))", f"torch.softmax(-{DIST} / 2, 0)",
        f"torch.softmax(-{DIST} / (2 * (1 - alpha_bar) ** 0.5), 0)",
        f"torch.softmax(-{DIST}.sqrt() / (1 - alpha_bar), 0)", f"1 - {DIST} / {DIST}.sum()",
        f"torch.softmax(-{DIST} / (2 * alpha_bar), 0)", f"torch.softmax(1 / {DIST}, 0)",
        f"torch.softmax(-{DIST} / (4 * (1 - alpha_bar)), 0)",
        f"torch.softmax(-{DIST} / (2 * (1 - alpha_bar) ** 2), 0)",
        f"torch.log_softmax(-{DIST} / (2 * (1 - alpha_bar)), 0)",
        f"torch.sigmoid(-{DIST} / (2 * (1 - alpha_bar)))", f"{DIST}.argmin()",
        f"torch.softmax(-{DIST} / (2 * (1 - alpha_bar)), 0).round()",
        f"torch.softmax(-{DIST} / (2 * (1 - alpha_bar)), 0)[:1]",
        f"torch.softmax(-{DIST} / 768, 0)", "torch.softmax(-((x_t - x0) ** 2).sum((1, 2, 3)), 0)",
        "torch.softmax(-((x_t - x0) ** 2).sum((1, 2, 3)) / (2 * (1 - alpha_bar)), 0)",
        f"(1 / {DIST}**2) / (1 / {DIST}**2).sum()",
    ],
    "effective_number": [
        "shares.sum() / shares.max()", "1 / shares.mean()", "(shares**2).sum() * len(shares)",
        "1 / (shares**2).max()", "(shares > 0.1).sum()", "len(shares) * (1 - (shares**2).sum())",
        "1 / (shares.sum() ** 2)", "1 / shares", "shares.std()", "-(shares * shares.log()).sum()",
        "1 / (shares**2).sum() + 1", "1 / (shares**2).sum() - 1", "2 ** (1 / (shares**2).sum())",
        "(1 / (shares**2).sum()).round()", "1 / (shares**1.5).sum()", "shares.argmax()",
        "(1 / shares[shares > 0]).sum()", "torch.exp(shares).sum()", "shares[shares > 0].prod()",
        "shares.median()", "int(1 / (shares**2).sum())", "1 / shares.norm()",
    ],
    "mixing_desk": [
        "h + scale", "h - shift * scale", "h * scale - 2 * shift", "3.5", "h * 1.5 - 1",
        "(h + scale) * (1 + shift)", "h * (1 + scale) + 1", "h * (1 + scale) * shift",
        "scale * (h + shift)", "h + scale + shift + 1", "h * (1 + scale + shift)", "h ** scale + shift",
        "h + scale * shift", "(1 + scale) + h * shift", "h * (1 + scale) - shift * 2",
        "h * (1 + shift) - scale", "h * (1 - scale) - shift", "h / (1 - scale) + shift",
        "h * 2 ** scale + shift", "h + shift * (1 + scale)", "h * (1 + scale ** 2) + shift",
        "h * (1 + abs(scale)) + shift",
    ],
    "guidance": [
        "w * eps_with", "eps_with + eps_without * w", "w * (eps_with + eps_without)",
        "eps_with + w * (eps_without - eps_with)", "(eps_with + eps_without) / 2", "eps_with",
        "(1 - w) * eps_with + w * eps_without", "eps_with - w * eps_without", "eps_without",
        "w * eps_with - (1 - w) * eps_without", "w * eps_with + eps_without",
        "eps_without + (w - 1) * (eps_with - eps_without)", "eps_without * w - eps_with",
        "w * w * eps_with + (1 - w * w) * eps_without", "2 * w * eps_with + (1 - 2 * w) * eps_without",
        "(w * eps_with + (1 - w) * eps_without) / w if w else eps_without",
        "eps_without + w * eps_with * eps_without", "(w * eps_with + (1 - w) * eps_without).clamp(-1, 1)",
        "eps_without + w * (eps_with - eps_without).mean()", "3 * eps_with - 2 * eps_without",
        "eps_without + w / 2 * (eps_with - eps_without)",
    ],
    "ddim_levels": [
        "range(timesteps, 0, -timesteps // n)", "list(range(0, timesteps + 1, timesteps // n))",
        "torch.linspace(timesteps, 0, n).long()", "torch.linspace(timesteps, 1, n + 1).round()",
        "list(range(n))", "[timesteps] * (n + 1)", "torch.linspace(timesteps - 1, 0, n + 1).long()",
        "torch.linspace(0, timesteps, n + 1).round()", "[timesteps - k for k in range(n + 1)]",
        "list(range(timesteps, -1, -1))[:n]", "torch.linspace(1, 0, n + 1)", "[0, timesteps]",
        "torch.linspace(timesteps, 0, n + 2).long()", "range(timesteps, -1, -n)",
        "[timesteps // n * k for k in range(n, -1, -1)]", "torch.linspace(500, 0, n + 1).round()",
        "[int(timesteps * (k / n) ** 2) for k in range(n, -1, -1)]", "list(range(timesteps))[::n]",
        "[timesteps / n * k for k in range(n, -1, -1)]", "[timesteps * k // n for k in range(n, 0, -1)]",
    ],
    "context_dropout": [
        "c * probability", "c * torch.rand(len(c), 1)", "c * (torch.rand(len(c), 1) > 1 - probability)",
        "torch.zeros_like(c)", "c * (torch.rand(c.shape) > probability)", "c / (1 - probability)",
        "c * (torch.rand(len(c), 1) > probability**2)", "c * (torch.rand(1) > probability)",
        "c * (torch.rand(1, c.shape[1]) > probability)", "c * (torch.randn(len(c), 1) > probability)",
        "-c * (torch.rand(len(c), 1) > probability)", "c * (torch.rand(len(c), 1) > 0.1)",
        "c * (torch.rand(len(c), 1) > probability) / (1 - probability)", "c + torch.rand(len(c), 1)",
        "c * (torch.rand(len(c), 1) > probability) + 0.1", "c * (torch.rand(len(c)) > probability)",
        "c[torch.rand(len(c)) > probability]", "c * (torch.rand(len(c), 1) > probability / 2)",
        "c * torch.bernoulli(torch.full((len(c), 1), probability))", "c.round()",
    ],
    "training_loss": [
        loss(t="i / (T + 2)"), loss(t="i / 1000"), loss(t="i * T"), loss(t="i.sqrt() / T**0.5"),
        loss(i="torch.randint(1, T + 1, (1,))"), loss(i="torch.randint(1, 500, (len(x0),)) % T + 0"),
        loss(i="torch.full((len(x0),), T)"), loss(i="torch.randint(2, T + 1, (len(x0),))"),
        loss(i="torch.randint(1, T // 2, (len(x0),))"), loss(loss="(guess - noise).mean() ** 2"),
        loss(loss="((guess - noise) ** 2).mean() * 3"), loss(loss="((guess - x_t) ** 2).mean()"),
        loss(loss="((guess - x0) ** 2).mean()"), loss(loss="((guess - noise) ** 2).sum()"),
        loss(loss="(guess - noise).abs().sum()"), loss(loss="((guess - noise) ** 2).mean() ** 0.5"),
        loss(noise="torch.rand_like(x0) - 0.5"), loss(noise="2 * torch.randn_like(x0)"),
        loss(noise="torch.randn_like(x0) + 1"), loss(x_t="x0 + noise"), loss(seen="x0"),
        loss(x_t="perturb_input(x0, i, torch.randn_like(x0), schedule=schedule)"),
        loss(loss="((guess - noise) ** 2).mean().item()"), loss(loss="((guess - noise) ** 4).mean()"),
    ],
    "sampler_loop": [
        loop(levels="range(500, 0, -1)", t="i / 500"), loop(t="i / 500"), loop(t="i / (T + 1)"),
        loop(levels="range(500, 0, -1)"), loop(z="torch.randn(16, 3, 16, 16)"), loop(z="eps"),
        loop(z="torch.randn_like(x) if i > 1 else torch.zeros(1)"), loop(t="i"), loop(t="1 / i"),
        loop(step="predict_x0(x, i, eps, schedule=schedule)"), loop(t="0.5"), loop(z="0"),
        loop(z="torch.randn_like(x) if i < T else 0"), loop().replace("    return x", "        return x"),
        loop(levels="range(T, 0, -5)"), loop(levels="range(1, T + 1)"), loop(levels="range(T - 1, 0, -1)"),
        loop(z="torch.randn_like(x)"), loop(z="torch.randn_like(x) * 2 if i > 1 else 0"),
        loop(z="torch.rand_like(x) if i > 1 else 0"), loop(z="torch.randn_like(x) if i > 10 else 0"),
        loop(step="denoise_add_noise(x, i, eps, z, schedule=schedule).clamp(-1, 1)"),
        loop(step="x - eps"), loop(back="eps"), loop(levels="range(T, 2, -1)"),
    ],
}  # fmt: skip
WRONG["guidance, paper"] = [
    "(1 - w) * eps_with + w * eps_without", "w * eps_with + (1 - w) * eps_without", "eps_with",
    "(1 + w) * eps_with + w * eps_without", "(1 + w) * eps_without - w * eps_with", "eps_without",
    "(1 + w) * (eps_with - eps_without)", "eps_with + w * eps_without", "w * eps_with - eps_without",
    "(1 + w) * eps_with - (1 - w) * eps_without", "(2 + w) * eps_with - (1 + w) * eps_without",
    "(1 + 2 * w) * eps_with - 2 * w * eps_without", "((1 + w) * eps_with - w * eps_without) / 2",
    "(1 + w) * eps_with", "w * (eps_with - eps_without)", "eps_with - eps_without",
    "eps_with + w * (eps_without - eps_with)", "4 * eps_with - 3 * eps_without",
    "((1 + w) * eps_with - w * eps_without).clamp(-1, 1)", "(1 + w) * eps_with - w * torch.randn(1)",
]  # fmt: skip
BACK = "perturb_input({x0}, {k}, pred_noise, schedule=schedule)"
GUESS = "predict_x0(x, i, pred_noise, schedule=schedule)"
WRONG["ddim_step"] = [
    GUESS, BACK.format(x0=GUESS, k="i"), BACK.format(x0=GUESS, k="i - 1"), BACK.format(x0="x", k="i_prev"),
    BACK.format(x0=f"{GUESS}.clamp(-1, 1)", k="i_prev"), BACK.format(x0=GUESS, k="0"),
    f"ab[i_prev].sqrt() * {GUESS}", f"ab[i_prev] * {GUESS} + (1 - ab[i_prev]) * pred_noise",
    f"ab[i_prev].sqrt() * {GUESS} + (1 - ab[i]).sqrt() * pred_noise", f"{GUESS} + pred_noise",
    f"perturb_input({GUESS}, i_prev, torch.randn_like(x), schedule=schedule)", "x - pred_noise",
    f"ab[i_prev].sqrt() * {GUESS} - (1 - ab[i_prev]).sqrt() * pred_noise", "x",
    f"(1 - ab[i_prev]).sqrt() * {GUESS} + ab[i_prev].sqrt() * pred_noise", f"{GUESS} / 2",
    f"ab[i_prev].sqrt() * {GUESS} + (1 - ab[i_prev].sqrt()) * pred_noise",
    f"a[i_prev].sqrt() * {GUESS} + b[i_prev].sqrt() * pred_noise",
    "denoise_add_noise(x, i, pred_noise, 0, schedule=schedule)",
    "perturb_input(predict_x0(x, i_prev, pred_noise, schedule=schedule), i, pred_noise, schedule=schedule)",
]  # fmt: skip
CASES = [(name, k) for name, bodies in WRONG.items() for k in range(len(bodies))]
found = {}


def test_there_are_twenty_wrong_answers_for_every_exercise():
    assert WRONG.keys() == SIGNATURES.keys()
    assert all(len(set(bodies)) == len(bodies) >= 20 for bodies in WRONG.values())


@pytest.mark.parametrize(("name", "k"), CASES)
def test_a_wrong_answer_is_not_called_right_and_shows_no_empty_number(name, k):
    result = found[name, k] = check(name, build(name, WRONG[name][k]))
    assert not result.passed, WRONG[name][k]
    assert not any(word in result.message for word in ("of nan", "std nan", "is nan", "to nan"))
    assert "\n" not in result.message and "{" not in result.message


@pytest.mark.parametrize("name", WRONG)
def test_four_of_five_wrong_answers_are_named(name):
    results = {
        body: found.get((name, k)) or check(name, build(name, body))
        for k, body in enumerate(WRONG[name])
    }
    missed = [body for body, result in results.items() if result.mistake in UNNAMED]
    assert len(missed) <= 0.2 * len(results), missed


# --- right answers in unusual ways ---------------------------------------------------------------

LOOPED_SHARES = """
    exponents = []
    for sprite in x0:
        total = 0.0
        for seen, clean in zip(x_t.flatten().tolist(), sprite.flatten().tolist()):
            total += (seen - math.sqrt(alpha_bar) * clean) ** 2
        exponents.append(-total / (2 * (1 - float(alpha_bar))))
    top = max(exponents)
    weights = [math.exp(e - top) for e in exponents]
    return [w / sum(weights) for w in weights]
"""
RIGHT = {
    "beta_schedule": [
        f"torch.cat([zero, {LINE}])", f"np.concatenate([[0], {LINE}.numpy()])",
        "[0.0] + [beta_start + (beta_end - beta_start) * k / (timesteps - 1) for k in range(timesteps)]",
        "torch.nn.functional.pad(torch.linspace(beta_start, beta_end, timesteps), (1, 0))",
        "    beta = torch.zeros(timesteps + 1)\n"
        "    beta[1:] = torch.linspace(start=beta_start, end=beta_end, steps=timesteps)\n    return beta",
    ],
    "alpha_bar": [
        "torch.cumprod(input=1 - beta, dim=0)", "np.cumprod(1 - beta.numpy())",
        "(1 - beta).log().cumsum(0).exp()", "(1 - beta.float()).cumprod(0)",
        "[math.prod((1 - beta[: k + 1]).tolist()) for k in range(len(beta))]",
        "    out, left = [], 1.0\n    for b in beta:\n        left = left * (1 - b)\n        out.append(left)\n"
        "    return torch.stack(out)",
    ],
    "perturb_input": [
        "np.sqrt(float(ab[i])) * x.numpy() + np.sqrt(1 - float(ab[i])) * noise.numpy()",
        "torch.einsum('s,sbchw->bchw', torch.stack([ab[i].sqrt(), (1 - ab[i]).sqrt()]).float(), torch.stack([x, noise]))",
        "ab[i].sqrt() * x.double() + (1 - ab[i]).sqrt() * noise.double()",
        "    x.mul_(ab[i].sqrt()).add_(noise, alpha=float((1 - ab[i]).sqrt()))\n    return x",
        "torch.stack([ab[i] ** 0.5 * a + (1 - ab[i]) ** 0.5 * b for a, b in zip(x, noise)])",
        "perturb_input(x=x, i=i, noise=noise, schedule=schedule)",
        "torch.lerp(torch.zeros_like(x), x, float(ab[i].sqrt())) + (1 - ab[i]).sqrt() * noise",
    ],
    "predict_x0": [
        "predict_x0(x_t=x_t, i=i, noise=noise, schedule=schedule)",
        "x_t / ab[i].sqrt() - (1 / ab[i] - 1).sqrt() * noise",
        "(x_t.numpy() - np.sqrt(1 - float(ab[i])) * noise.numpy()) / np.sqrt(float(ab[i]))",
        "(x_t.double() - (1 - ab[i]).sqrt() * noise.double()) / ab[i].sqrt()",
        "    x_t -= (1 - ab[i]).sqrt() * noise\n    x_t /= ab[i].sqrt()\n    return x_t",
        "torch.stack([(a - (1 - ab[i]) ** 0.5 * b) / ab[i] ** 0.5 for a, b in zip(x_t, noise)])",
    ],
    "posterior_shares": [
        LOOPED_SHARES, f"torch.softmax(-{DIST} / (2 * (1 - alpha_bar)), dim=0)",
        "torch.softmax(-torch.einsum('nchw,nchw->n', x_t - alpha_bar.sqrt() * x0, x_t - alpha_bar.sqrt() * x0) / (2 * (1 - alpha_bar)), 0)",
        "torch.softmax(-(torch.cdist((alpha_bar**0.5 * x0).flatten(1).double(), x_t.flatten()[None].double())[:, 0] ** 2) / (2 * (1 - alpha_bar)), 0)",
        "    d = ((x_t.numpy() - float(alpha_bar) ** 0.5 * x0.numpy()) ** 2).sum((1, 2, 3)) / (2 * (1 - float(alpha_bar)))\n"
        "    w = np.exp(d.min() - d)\n    return w / w.sum()",
        "    spread = (1 - alpha_bar).sqrt()\n"
        "    e = -((x_t - alpha_bar.sqrt() * x0) ** 2).sum((1, 2, 3)) / (2 * spread**2)\n"
        "    h = torch.exp(e - e.max())\n    return h / h.sum()",
    ],
    "effective_number": [
        "1 / torch.dot(shares, shares)", "1 / float(np.square(shares.numpy()).sum())",
        "1 / torch.einsum('n,n->', shares, shares)", "1 / sum(s * s for s in shares.tolist())",
        "shares.norm() ** -2", "shares.sum() ** 2 / (shares.float() ** 2).sum()",
    ],
    "mixing_desk": [
        "h + h * scale + shift", "(1 + scale) * h + shift", "shift + h - (-scale) * h",
        "torch.as_tensor(h) * (torch.as_tensor(scale) + 1) + shift", "np.asarray(h) * (1 + np.asarray(scale)) + np.asarray(shift)",
        "    h = h * (1 + scale)\n    h += shift\n    return h",
    ],
    "guidance": [
        "w * eps_with + (1 - w) * eps_without", "torch.lerp(eps_without, eps_with, float(w))",
        "eps_with + (w - 1) * (eps_with - eps_without)", "eps_without.double() + w * (eps_with - eps_without)",
        "eps_without.numpy() + w * (eps_with - eps_without).numpy()",
        "    eps_with -= eps_without\n    eps_with *= w\n    return eps_without + eps_with",
    ],
    "guidance, paper": [
        "(1 + w) * eps_with - w * eps_without", "torch.lerp(eps_without, eps_with, float(w + 1))",
        "eps_with + w * (eps_with - eps_without)", "eps_with.double() + w * (eps_with - eps_without)",
        "eps_with.numpy() + w * (eps_with - eps_without).numpy()",
    ],
    "ddim_step": [
        BACK.format(x0=GUESS, k="i_prev"),
        BACK.format(x0=GUESS, k="i_prev").replace(", pred_noise, s", ", noise=pred_noise, s"),
        "(ab[i_prev] / ab[i]).sqrt() * x + ((1 - ab[i_prev]).sqrt() - (ab[i_prev] / ab[i] * (1 - ab[i])).sqrt()) * pred_noise",
        f"ab[i_prev].sqrt() * {GUESS}.double() + (1 - ab[i_prev]).sqrt() * pred_noise",
        f"float(ab[i_prev]) ** 0.5 * {GUESS}.numpy() + float(1 - ab[i_prev]) ** 0.5 * pred_noise.numpy()",
        "    x -= (1 - ab[i]).sqrt() * pred_noise\n    x *= (ab[i_prev] / ab[i]).sqrt()\n    x += (1 - ab[i_prev]).sqrt() * pred_noise\n    return x",
    ],
    "ddim_levels": [
        "[timesteps * k // n for k in reversed(range(n + 1))]", "np.linspace(timesteps, 0, n + 1).round()",
        "torch.linspace(timesteps, 0, n + 1).round().long()", "(timesteps * k // n for k in range(n, -1, -1))",
        "np.arange(n, -1, -1) * timesteps // n",
    ],
    "context_dropout": [
        "torch.where(torch.rand(len(c))[:, None] < probability, torch.zeros_like(c), c)",
        "c * torch.bernoulli(torch.full((len(c), 1), 1 - probability))",
        "c.numpy() * (np.random.rand(len(c), 1) >= probability)",
        "torch.stack([row * 0 if torch.rand(()) < probability else row for row in c])",
        "    c[torch.rand(len(c)) < probability] = 0\n    return c",
        "torch.einsum('b,bk->bk', (torch.rand(len(c)) > probability).float(), c)",
    ],
    "training_loss": [
        loss(loss="torch.nn.functional.mse_loss(input=guess, target=noise)"),
        loss(noise="torch.randn(*x0.shape)", loss="(guess - noise).pow(2).mean()"),
        loss(loss="torch.einsum('bchw,bchw->', guess - noise, guess - noise) / noise.numel()"),
        loss(loss="((guess.double() - noise) ** 2).mean()", t="(i / T).double()"),
        loss(i="1 + (torch.rand(len(x0)) * T).long()", t="(i / T)[:, None, None, None]"),
        loss(loss="sum(((g - n) ** 2).mean() for g, n in zip(guess, noise)) / len(guess)"),
    ],
    "sampler_loop": [
        loop(levels="reversed(range(1, T + 1))"), loop(t="torch.tensor([i / T])[:, None, None, None]"),
        loop(z="torch.randn(*x.shape) * (i != 1)"), loop(levels="torch.arange(T, 0, -1)", t="i / T"),
        loop(z="torch.normal(0.0, 1.0, x.shape) if i > 1 else torch.zeros_like(x)", t="torch.full((len(x),), i / T)"),
        "    x, i = x.double(), T\n    while i:\n        z = torch.randn_like(x) if i > 1 else 0\n"
        "        x = denoise_add_noise(x, i, nn_model(x, i / T), z, schedule=schedule)\n        i -= 1\n    return x",
        "    for i in range(T, 0, -1):\n        eps = nn_model(x, i / T)\n        x -= b[i] / (1 - ab[i]).sqrt() * eps\n"
        "        x /= a[i].sqrt()\n        if i > 1:\n            x += b[i].sqrt() * torch.randn_like(x)\n    return x",
    ],
}  # fmt: skip
RIGHT_CASES = [(name, body) for name, bodies in RIGHT.items() for body in bodies]


def test_there_are_five_right_answers_for_every_exercise():
    assert RIGHT.keys() == SIGNATURES.keys()
    assert all(len(set(bodies)) >= 5 for bodies in RIGHT.values())


@pytest.mark.parametrize(("name", "body"), RIGHT_CASES)
def test_a_right_answer_in_an_unusual_way_is_right(name, body):
    result = check(name, build(name, body))
    assert result.passed and result.message.startswith("right: ")

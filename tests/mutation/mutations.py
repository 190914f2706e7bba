"""What `run.py` plants: known faults as numbered in test_known_faults.py, and slips of one line.

A mutation is a text that stands exactly once in its file, and what is put in its place. TESTS says
which test files are to notice a change of a module; known faults go to test_known_faults.py first.
"""

from dataclasses import dataclass

TESTS = {
    "requirements.txt": "project",
    "diffutils/schedule.py": "schedule noising",
    "diffutils/pixels.py": "pixels",
    "diffutils/sprites/forge.py": "forge",
    "diffutils/sprites/judge.py": "judge",
    "diffutils/sprites/load.py": "load",
    "diffutils/sprites/relatives.py": "relatives",
    "diffutils/noising.py": "noising",
    "diffutils/unet.py": "networks unet training",
    "diffutils/votes.py": "networks votes training",
    "diffutils/files.py": "training faults foreign_files",
    "diffutils/checkpoints.py": "training faults foreign_files processes",
    "diffutils/weights.py": "training faults foreign_files",
    "diffutils/ideal.py": "ideal",
    "diffutils/grammar.py": "grammar",
    "diffutils/descent.py": "sampling solvers",
    "diffutils/sampling.py": "sampling solvers",
    "diffutils/solvers.py": "solvers",
    "diffutils/training.py": "training",
    "diffutils/measure.py": "measure",
    "diffutils/stage/figures.py": "figures",
    "diffutils/stage/player.py": "player",
    "diffutils/stage/reference.py": "reference",
    "diffutils/stage/checks/engine.py": "checks",
}


@dataclass(frozen=True)
class Mutation:
    """`old`, found once in `file`, becomes `new`; `name` says what is wrong then."""

    name: str
    file: str
    old: str
    new: str


KNOWN_FAULTS = [
    Mutation(
        "1 the noise scaled by its variance",
        "diffutils/noising.py",
        "* x + spread((1 - alpha_bar).sqrt(), x) * noise",
        "* x + spread(1 - alpha_bar, x) * noise",
    ),
    Mutation(
        "2 a layer built inside forward",
        "diffutils/votes.py",
        "return x + self.conv(silu(self.norm(x) * (1 + scale) + shift))",
        "return nn.Conv2d(x.shape[1], x.shape[1], 1)(x) + self.conv(silu(self.norm(x) + shift))",
    ),
    Mutation(
        "3 alpha_bar with a wrong first factor, then patched",
        "diffutils/schedule.py",
        "self.alpha_bar = self.alpha.cumprod(0)",
        "self.alpha_bar = torch.cat([self.alpha[:1], (self.alpha[1] * self.alpha.cumprod(0))[1:]])",
    ),
    Mutation(
        "4 DDIM levels that run past 0",
        "diffutils/descent.py",
        "return [timesteps * k // n for k in range(n, -1, -1)]",
        "return [*range(timesteps, -(timesteps // n), -(timesteps // n))]",
    ),
    Mutation(
        "5 a last level called pure noise that is not",
        "diffutils/schedule.py",
        "return math.sqrt(self.alpha_bar[-1])",
        "return 0.0",
    ),
    Mutation(
        "6 pictures stretched to their own minimum and maximum",
        "diffutils/pixels.py",
        "values = ((x.detach().double().cpu() + 1) * 127.5).round().clamp(0, 255)",
        "values = ((x - x.min()) / (x.max() - x.min()) * 255).cpu().round().clamp(0, 255)",
    ),
    Mutation(
        "7 contexts cut to integers in the network",
        "diffutils/votes.py",
        "e = self.embed(t, c, seen)",
        "e = self.embed(t, c.long().float(), seen)",
    ),
    Mutation(
        "7 contexts cut to integers in the samplers",
        "diffutils/descent.py",
        "return context.float().to(device)",
        "return context.long().float().to(device)",
    ),
    Mutation(
        "8 heights wired in",
        "diffutils/votes.py",
        "x.shape[2:])",
        "(4, 4))",
    ),
    Mutation(
        "9 repeated sprites counted as data",
        "diffutils/sprites/forge.py",
        "ids = keep_first(np.concatenate([ids, starts[shape] + code]))",
        "ids = np.concatenate([ids, starts[shape] + code])",
    ),
    Mutation(
        "9 repeated sprites kept when they are loaded",
        "diffutils/sprites/load.py",
        "if pixels not in self.kept:",
        "if self.kept.get(pixels) != label:",
    ),
    Mutation(
        "10 a web page in place of weights not named",
        "diffutils/files.py",
        "except (SafetensorError, ValueError, OSError) as error:",
        "except (ValueError, OSError) as error:",
    ),
    Mutation(
        "10 weights that changed on the way not noticed",
        "diffutils/weights.py",
        'if checksum(tensors) != metadata.get("weights_checksum"):',
        'if "weights_checksum" not in metadata:',
    ),
    Mutation(
        "12 guidance never used",
        "diffutils/descent.py",
        "eps_without + guidance * (eps_with - eps_without)",
        "eps_with",
    ),
    Mutation(
        "12 contexts never dropped in training",
        "diffutils/training.py",
        "(drawn >= self.context_dropout)",
        "(drawn >= 0)",
    ),
    Mutation(
        "13 noise added on the last step",
        "diffutils/sampling.py",
        "run.fresh_noise() if j > 0 else 0  # the",
        "run.fresh_noise() if i > 0 else 0  # the",
    ),
    Mutation(
        "14 training never draws level T",
        "diffutils/training.py",
        "i = torch.randint(1, self.schedule.timesteps + 1,",
        "i = torch.randint(1, self.schedule.timesteps,",
    ),
    Mutation(
        "14 sampling starts at level T - 1",
        "diffutils/sampling.py",
        "range(schedule.timesteps, -1, -1)",
        "range(schedule.timesteps - 1, -1, -1)",
    ),
    Mutation(
        "16 the wrong variance of fresh noise in DDIM",
        "diffutils/sampling.py",
        "(1 - alpha_bar / below) / (1 - alpha_bar)",
        "(1 - alpha_bar / below)",
    ),
    Mutation(
        "17 layers with statistics that an average misses",
        "diffutils/votes.py",
        "self.norm = nn.Sequential(nn.GroupNorm(GROUPS, wide), nn.SiLU())",
        "self.norm = nn.Sequential(nn.BatchNorm2d(wide), nn.SiLU())",
    ),
    Mutation(
        "18 what is no safetensors file is unpickled",
        "diffutils/files.py",
        "start = file.read(24)",
        "start = torch.load(file, weights_only=False)",
    ),
    Mutation(
        "18 arrays read with pickle",
        "diffutils/sprites/load.py",
        "return np.frombuffer(data, dtype, offset=end).reshape(shape,",
        "return np.load(path, allow_pickle=True).reshape(shape,",
    ),
    Mutation(
        "19 a player that needs a content network",
        "diffutils/stage/player.py",
        "f'<script>{SCRIPT}(\"player-{key}\",{data})</script>'",
        "f'<script src=\"https://cdn.example.org/player.js\"></script>"
        "<script>{SCRIPT}(\"player-{key}\",{data})</script>'",
    ),
    Mutation(
        "20 a progress bar that cannot be turned off",
        "diffutils/descent.py",
        "if not self.progress:",
        "if self.progress is None:",
    ),
    Mutation(
        "21 signed differences averaged in a check",
        "diffutils/stage/checks/engine.py",
        "torch.isclose(one.double(), other.double(), rtol=0, atol=room, equal_nan=True).all()",
        "((one.double() - other.double()).mean().abs() <= room)",
    ),
    Mutation(
        "22 an oracle that compares with sprites that have not faded",
        "diffutils/ideal.py",
        "length = alpha_bar / 2 * self.squares",
        "length = self.squares / 2",
    ),
    Mutation(
        "23 every loss called normal",
        "diffutils/stage/reference.py",
        'place = "above" if curve[-1] > highest else "below" if curve[-1] < lowest else "inside"',
        'place = "inside"',
    ),
    Mutation(
        "24 copies of training sprites counted as new",
        "diffutils/sprites/judge.py",
        "return share_of(~seen(verdict.factors[verdict.flawless], training_factors))",
        "return share_of(verdict.flawless[verdict.flawless])",
    ),
    Mutation(
        "25 a dependency without its pin",
        "requirements.txt",
        "pillow==13.0.0",
        "pillow",
    ),
    Mutation(
        "25 a style sheet from the network",
        "diffutils/stage/figures.py",
        'return matplotlib.style.context(["default", STYLE])',
        'return matplotlib.style.context(["https://127.0.0.1:9/a.mplstyle", STYLE])',
    ),
]

NOT_PLANTED = {
    11: "training cells that run live: nbval runs the lessons",
    15: "the path and the snapshots are drawn in lesson 02: nbval compares them",
    26: "no account, token or GPU is asked for: there is no line to change",
}

SLIPS = [
    Mutation(
        "Heun's second question at the level it came from",
        "diffutils/solvers.py",
        "run.ask(tried, j)",
        "run.ask(tried, i)",
    ),
    Mutation(
        "DPM-Solver's steps the wrong way up",
        "diffutils/solvers.py",
        "step / (2 * step_last)",
        "step_last / (2 * step)",
    ),
    Mutation(
        "classes of the ideal weighed by their sprites",
        "diffutils/ideal.py",
        "(contexts / contexts.sum(0).clamp(min=1e-300)).T",
        "(contexts / contexts.sum()).T",
    ),
    Mutation(
        "guidance counted as one call",
        "diffutils/descent.py",
        "1 if scale is None else 2",
        "1",
    ),
    Mutation(
        "cosine schedule without its square",
        "diffutils/schedule.py",
        "* math.pi / 2) ** 2",
        "* math.pi / 2)",
    ),
    Mutation(
        "cosine schedule that divides by T + 1",
        "diffutils/schedule.py",
        "part = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps",
        "part = torch.arange(timesteps + 1, dtype=torch.float64) / (timesteps + 1)",
    ),
    Mutation(
        "cosine schedule without its largest variance",
        "diffutils/schedule.py",
        ".clamp(max=beta_max)",
        "",
    ),
    Mutation(
        "predict_x0 that adds the noise once more",
        "diffutils/noising.py",
        "(x_t - spread((1 - alpha_bar).sqrt(), x_t) * noise)",
        "(x_t + spread((1 - alpha_bar).sqrt(), x_t) * noise)",
    ),
    Mutation(
        "predict_x0 refuses levels without signal only if all are",
        "diffutils/noising.py",
        "if len(empty):",
        "if len(empty) == i.numel():",
    ),
    Mutation(
        "the shares of the ideal denoiser with a wrong sign",
        "diffutils/ideal.py",
        "belief = (agreement - length)",
        "belief = (agreement + length)",
    ),
    Mutation(
        "the effective number from the largest share alone",
        "diffutils/ideal.py",
        "x, i, c) ** 2).sum(1)",
        "x, i, c)).amax(1)",
    ),
    Mutation(
        "the grammar's noise as a std where a variance belongs",
        "diffutils/grammar.py",
        "variance = float(HALF_RANGE**2 * (1 - alpha_bar) / alpha_bar)",
        "variance = float(HALF_RANGE * ((1 - alpha_bar) / alpha_bar).sqrt())",
    ),
    Mutation(
        "the grammar's classes weighed by their shapes",
        "diffutils/grammar.py",
        "self.prior = (in_split / in_split.sum()).log()",
        "self.prior = (in_split / 1000).log()",
    ),
    Mutation(
        "the grammar's palettes summed, not averaged",
        "diffutils/grammar.py",
        ".logsumexp(0) - torch.tensor(len(self.colours)).log()",
        ".logsumexp(0)",
    ),
    Mutation(
        "noise put back by its variance",
        "diffutils/sampling.py",
        "return mean + spread(beta.sqrt(), x) * z",
        "return mean + spread(beta, x) * z",
    ),
    Mutation(
        "DDIM steps that stay at their level",
        "diffutils/sampling.py",
        "return perturb_input(x0, i_prev, pred_noise, schedule=schedule)",
        "return perturb_input(x0, i, pred_noise, schedule=schedule)",
    ),
    Mutation(
        "guidance in the other direction",
        "diffutils/descent.py",
        "guidance * (eps_with - eps_without)",
        "guidance * (eps_without - eps_with)",
    ),
    Mutation(
        "one level too many in the trajectory",
        "diffutils/sampling.py",
        "i % save_rate == 0 or i < 8",
        "i % save_rate == 0 or i <= 8",
    ),
    Mutation(
        "fresh noise from the global generator",
        "diffutils/descent.py",
        "return draw_noise(x.shape, generator).to(x)",
        "return draw_noise(x.shape, None).to(x)",
    ),
    Mutation(
        "the weights of the levels without their clamp",
        "diffutils/training.py",
        "(weight / weight[-1]).clamp(max=4).float()",
        "(weight / weight[-1]).float()",
    ),
    Mutation(
        "the weight of the level below",
        "diffutils/training.py",
        "self.weight[i].to(error)",
        "self.weight[i - 1].to(error)",
    ),
    Mutation(
        "an average that hardly follows",
        "diffutils/training.py",
        "10 / (float(count) + 10)",
        "10 / (float(count) + 10) ** 2",
    ),
    Mutation(
        "a learning rate that climbs without end",
        "diffutils/training.py",
        "climb = min(1.0, max((self.step + 1) / WARMUP_STEPS, 10 * self.progress()))",
        "climb = max((self.step + 1) / WARMUP_STEPS, 10 * self.progress())",
    ),
    Mutation(
        "a learning rate that ends high",
        "diffutils/training.py",
        "fall = 0.5 + 0.5 * math.cos(",
        "fall = 0.5 - 0.5 * math.cos(",
    ),
    Mutation(
        "gradients of any length",
        "diffutils/training.py",
        "clip_grad_norm_(self.nn_model.parameters(), 1.0)",
        "clip_grad_norm_(self.nn_model.parameters(), 1e9)",
    ),
    Mutation(
        "bands of levels off by one",
        "diffutils/training.py",
        "band = (levels - 1) * BANDS // self.schedule.timesteps",
        "band = levels * BANDS // self.schedule.timesteps",
    ),
    Mutation(
        "a generator that is not put back",
        "diffutils/checkpoints.py",
        'run.generator.set_state(tensors["generator"])',
        'run.generator.get_state(), tensors["generator"]',
    ),
    Mutation(
        "blocks of pixels with rows and columns swapped",
        "diffutils/votes.py",
        "pixels = fold(x)",
        "pixels = fold(x.mT)",
    ),
    Mutation(
        "the level as sines alone",
        "diffutils/unet.py",
        "[angle.sin(), angle.cos()]",
        "[angle.sin(), angle.sin()]",
    ),
    Mutation(
        "scale and shift swapped",
        "diffutils/unet.py",
        "scale, shift = self.scale_shift(e)[:, :, None, None]",
        "shift, scale = self.scale_shift(e)[:, :, None, None]",
    ),
    Mutation(
        "a skip that carries nothing",
        "diffutils/unet.py",
        "torch.cat([self.grow1(u), h1], dim=1)",
        "torch.cat([self.grow1(u), 0 * h1], dim=1)",
    ),
    Mutation(
        "a skip before what comes from below",
        "diffutils/unet.py",
        "torch.cat([self.grow2(m), h2], dim=1)",
        "torch.cat([h2, self.grow2(m)], dim=1)",
    ),
    Mutation(
        "places known by heart",
        "diffutils/unet.py",
        "m = self.middle(self.shrink2(h2), e)",
        "m = self.middle(self.shrink2(h2), e) + torch.arange(h2.shape[3] // 2)",
    ),
    Mutation(
        "a scale that has no 1",
        "diffutils/unet.py",
        "silu(self.norm2(h) * (1 + scale) + shift)",
        "silu(self.norm2(h) * scale + shift)",
    ),
    Mutation(
        "a fresh network that answers at random",
        "diffutils/unet.py",
        "self.leave = zeroed(nn.Conv2d(wide, 12, 3, padding=1))",
        "self.leave = nn.Conv2d(wide, 12, 3, padding=1)",
    ),
    Mutation(
        "the plain network keeps its own schedule when weights are loaded",
        "diffutils/unet.py",
        "self.schedule = NoiseSchedule(beta)",
        "NoiseSchedule(beta)",
    ),
    Mutation(
        "no context that adds something",
        "diffutils/unet.py",
        "self.context = nn.Linear(n_context, size, bias=False)",
        "self.context = nn.Linear(n_context, size)",
    ),
    Mutation(
        "the guess left in bfloat16",
        "diffutils/unet.py",
        "silu(self.norm(u))), 2).to(x)",
        "silu(self.norm(u))), 2)",
    ),
    Mutation(
        "the glance left out of what is summed up",
        "diffutils/votes.py",
        "e = self.embed(t, c, seen)",
        "e = self.embed(t, c)",
    ),
    Mutation(
        "conviction that stays behind when the state goes on",
        "diffutils/votes.py",
        "self.conviction = float(state[0])",
        "float(state[0])",
    ),
    Mutation(
        "votes multiplied without the base that they are raised to",
        "diffutils/votes.py",
        "beta=self.conviction * LOG2_E",
        "beta=self.conviction",
    ),
    Mutation(
        "weights that come back ready to train",
        "diffutils/weights.py",
        "    nn_model.eval()\n",
        "    nn_model.train()\n",
    ),
    Mutation(
        "the palette rounded with the weights",
        "diffutils/weights.py",
        "v.detach().cpu().to(dtype if k in rounded else stored_dtype(v))",
        "v.detach().cpu().to(dtype)",
    ),
    Mutation(
        "weights that are not finite let in",
        "diffutils/files.py",
        "if not torch.isfinite(tensor).all():",
        "if torch.isnan(tensor).all():",
    ),
    Mutation(
        "a checksum of names alone",
        "diffutils/files.py",
        "digest.update(tensors[name].cpu().contiguous().numpy().tobytes())",
        "digest.update(b'')",
    ),
    Mutation(
        "variety that counts the sample itself",
        "diffutils/measure.py",
        "return distances.sum(1) / (len(samples) - 1)",
        "return distances.sum(1) / len(samples)",
    ),
    Mutation(
        "a kernel distance that compares pictures with themselves",
        "diffutils/measure.py",
        "return (k.sum() - k.trace()) / (len(a) * (len(a) - 1))",
        "return k.mean()",
    ),
    Mutation(
        "a Fréchet distance without the root of the covariances' product",
        "diffutils/measure.py",
        "2 * both.sqrt().sum()",
        "2 * both.sum()",
    ),
    Mutation(
        "shapes that are counted as open together with their classes",
        "diffutils/grammar.py",
        "nats_of(of_shape) - nats_of(of_class)",
        "nats_of(of_shape)",
    ),
    Mutation(
        "a mean over pairs with the error of single sprites",
        "diffutils/measure.py",
        "return mean, 2 * error",
        "return mean, error",
    ),
    Mutation(
        "a floor whose two sets overlap",
        "diffutils/measure.py",
        "x0[order[:n]], x0[order[n:]]",
        "x0[order[:n]], x0[order]",
    ),
    Mutation(
        "a standard error without its root",
        "diffutils/measure.py",
        "(values.std() / len(values) ** 0.5)",
        "(values.std() / len(values))",
    ),
    Mutation(
        "distances that are not by pixel",
        "diffutils/measure.py",
        "return ((samples - x0.mean(0)) ** 2).flatten(1).mean(1).sqrt()",
        "return ((samples - x0.mean(0)) ** 2).flatten(1).sum(1).sqrt()",
    ),
    Mutation(
        "grey levels cut, not rounded",
        "diffutils/pixels.py",
        "* 127.5).round().clamp(0, 255)",
        "* 127.5).clamp(0, 255)",
    ),
    Mutation(
        "grey levels that wrap where they should be clipped",
        "diffutils/pixels.py",
        "* 127.5).round().clamp(0, 255)",
        "* 127.5).round()",
    ),
    Mutation(
        "the last code of a shape given to the next one",
        "diffutils/sprites/forge.py",
        'place = np.searchsorted(ends, ids, side="right")',
        'place = np.searchsorted(ends, ids, side="left")',
    ),
    Mutation(
        "early slots painted over late ones",
        "diffutils/sprites/forge.py",
        "np.copyto(labels, layer, where=layer > 0)",
        "np.copyto(labels, layer, where=labels == 0)",
    ),
    Mutation(
        "held-out pairs by their difference",
        "diffutils/sprites/forge.py",
        "return (parts[:, a] + parts[:, b]) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1",
        "return (parts[:, a] - parts[:, b]) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1",
    ),
    Mutation(
        "a tolerance that ends one grey level early",
        "diffutils/sprites/judge.py",
        "correct = (error.max(2) <= TOLERANCE).mean(1) if len(error) else np.empty(0)",
        "correct = (error.max(2) < TOLERANCE).mean(1) if len(error) else np.empty(0)",
    ),
    Mutation(
        "Wilson's interval with a square too few",
        "diffutils/sprites/judge.py",
        "half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))",
        "half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n))",
    ),
    Mutation(
        "mixed contexts counted as one class",
        "diffutils/sprites/judge.py",
        "clear = (contexts == contexts.max(1, keepdims=True)).sum(1) == 1",
        "clear = (contexts == contexts.max(1, keepdims=True)).sum(1) >= 1",
    ),
    Mutation(
        "transparent pixels on black",
        "diffutils/sprites/load.py",
        "mixed += 255 * (255 - alpha) + 127",
        "mixed += 127",
    ),
    Mutation(
        "the mean of a block cut, not rounded",
        "diffutils/sprites/load.py",
        "return ((total + factor**2 // 2) // factor**2).astype(np.uint8)",
        "return (total // factor**2).astype(np.uint8)",
    ),
    Mutation(
        "a file of just the largest size refused",
        "diffutils/sprites/load.py",
        "if status.st_size > limit:",
        "if status.st_size >= limit:",
    ),
    Mutation(
        "relatives that hold the sprite itself",
        "diffutils/sprites/relatives.py",
        "if f != factors]",
        "]",
    ),
    Mutation(
        "a digit too few",
        "diffutils/stage/figures.py",
        "places = digits - 1 - math.floor(math.log10(abs(value)))",
        "places = digits - 2 - math.floor(math.log10(abs(value)))",
    ),
    Mutation(
        "noise drawn as a variance",
        "diffutils/stage/figures.py",
        "noise = (1 - schedule.alpha_bar).sqrt().numpy()",
        "noise = (1 - schedule.alpha_bar).numpy()",
    ),
    Mutation(
        "a player that starts before its first frame",
        "diffutils/stage/player.py",
        "labels, still = [str(label) for label in labels], still % count",
        "labels, still = [str(label) for label in labels], still",
    ),
    Mutation(
        "panes of a player without the space between pictures",
        "diffutils/stage/player.py",
        "x += wide\n",
        "x += wide + 1\n",
    ),
    Mutation(
        "a mean of 100 losses divided by 99",
        "diffutils/stage/reference.py",
        "means = (sums[window:] - sums[:-window]) / window",
        "means = (sums[window:] - sums[:-window]) / (window - 1)",
    ),
]

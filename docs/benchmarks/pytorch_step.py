#!/usr/bin/env python3
"""One iteration of U-GAT-IT's training in PyTorch, to be timed beside `cargo xtask bench --train`.

The networks, losses, weights and optimisers are those of the official program, written anew from a
description of it. `--check DIR` proves that: it follows the recorded runs of the official program
(`traj_*` in DIR) from their first weights, and compares every loss and every gradient's norm.

    pip install torch numpy safetensors       (safetensors and numpy for --check only)
    python pytorch_step.py --check tests/golden
    python pytorch_step.py --ch 64 --size 256 --layers 7 --lean

Whatever speeds PyTorch up is off, so that each is named where it is used: `--tf32`, `--amp bf16`,
`--compile`, `--channels-last`, `--cudnn-benchmark`, `--lean`.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm

EPS = 1e-5
SLOPE = 0.2


@dataclass
class Config:
    """What a run's networks and losses are; the defaults are the official program's."""

    ch: int = 64
    size: int = 256
    light: bool = True
    n_res: int = 4
    layers: int = 7
    local_layers: int = 5
    batch: int = 1
    adversarial: float = 1.0
    cycle: float = 10.0
    identity: float = 10.0
    cam: float = 1000.0
    lr: float = 1e-4
    betas: tuple = (0.5, 0.999)
    adam_eps: float = 1e-8
    weight_decay: float = 1e-4


# --------------------------------------------------------------------------------------------------
# Networks. Modules bear the names, and stand at the places, that the official checkpoints have.


def conv(cin, cout, kernel, stride, padding, bias=False, wrap=lambda layer: layer):
    """A convolution behind a reflected edge."""
    return [nn.ReflectionPad2d(padding), wrap(nn.Conv2d(cin, cout, kernel, stride, 0, bias=bias))]


class ResidualBlock(nn.Module):
    """Two convolutions with instance normalisation, added to what comes in."""

    def __init__(self, channels):
        super().__init__()
        first, second = (conv(channels, channels, 3, 1, 1) + [nn.InstanceNorm2d(channels)] for _ in "12")
        self.conv_block = nn.Sequential(*first, nn.ReLU(True), *second)

    def forward(self, x):
        return x + self.conv_block(x)


def mixed_normalisation(x, rho):
    """Instance and layer normalisation, mixed per channel by rho; both with the unbiased variance."""

    def normalised(dims):
        variance, mean = torch.var_mean(x, dim=dims, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + EPS)

    return rho * normalised((2, 3)) + (1 - rho) * normalised((1, 2, 3))


class AdaILN(nn.Module):
    """The mixed normalisation, scaled and shifted by what the picture itself says."""

    def __init__(self, channels):
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, channels, 1, 1), 0.9))

    def forward(self, x, gamma, beta):
        return mixed_normalisation(x, self.rho) * gamma[:, :, None, None] + beta[:, :, None, None]


class ILN(nn.Module):
    """The mixed normalisation, scaled and shifted by parameters."""

    def __init__(self, channels):
        super().__init__()
        shape = (1, channels, 1, 1)
        self.rho = nn.Parameter(torch.zeros(shape))
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        return mixed_normalisation(x, self.rho) * self.gamma + self.beta


class AdaptiveBlock(nn.Module):
    """A residual block with adaptive normalisation."""

    def __init__(self, channels):
        super().__init__()
        self.pad = nn.ReflectionPad2d(1)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, bias=False) for _ in "12")
        self.norm1, self.norm2 = AdaILN(channels), AdaILN(channels)

    def forward(self, x, gamma, beta):
        y = F.relu(self.norm1(self.conv1(self.pad(x)), gamma, beta))
        return x + self.norm2(self.conv2(self.pad(y)), gamma, beta)


def class_activation(net, x, raw):
    """Logits of the auxiliary classifier, and the features, weighted by its two weights."""
    logits = torch.cat([net.gap_fc(x.mean((2, 3))), net.gmp_fc(x.flatten(2).max(2).values)], 1)
    weighted = [x * raw(fc)[0][None, :, None, None] for fc in (net.gap_fc, net.gmp_fc)]
    return logits, net.conv1x1(torch.cat(weighted, 1))


class Generator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.light, self.n_res = config.light, config.n_res
        ch, wide = config.ch, 4 * config.ch
        down = []
        for cin, cout, kernel, stride in [(3, ch, 7, 1), (ch, 2 * ch, 3, 2), (2 * ch, wide, 3, 2)]:
            down += conv(cin, cout, kernel, stride, kernel // 2) + [nn.InstanceNorm2d(cout), nn.ReLU(True)]
        self.DownBlock = nn.Sequential(*down, *(ResidualBlock(wide) for _ in range(self.n_res)))
        self.gap_fc, self.gmp_fc = (nn.Linear(wide, 1, bias=False) for _ in "12")
        self.conv1x1 = nn.Conv2d(2 * wide, wide, 1)
        features = wide if self.light else wide * (config.size // 4) ** 2
        self.FC = nn.Sequential(
            nn.Linear(features, wide, bias=False), nn.ReLU(True), nn.Linear(wide, wide, bias=False), nn.ReLU(True)
        )
        self.gamma, self.beta = (nn.Linear(wide, wide, bias=False) for _ in "12")
        for i in range(self.n_res):
            setattr(self, f"UpBlock1_{i + 1}", AdaptiveBlock(wide))
        up = []
        for cin, cout in [(wide, 2 * ch), (2 * ch, ch)]:
            up += [nn.Upsample(scale_factor=2, mode="nearest"), *conv(cin, cout, 3, 1, 1), ILN(cout), nn.ReLU(True)]
        self.UpBlock2 = nn.Sequential(*up, *conv(ch, 3, 7, 1, 3), nn.Tanh())

    def forward(self, picture):
        logits, x = class_activation(self, self.DownBlock(picture), lambda fc: fc.weight)
        x = F.relu(x)
        style = self.FC(x.mean((2, 3)) if self.light else x.flatten(1))
        gamma, beta = self.gamma(style), self.beta(style)
        heat = x.sum(1, keepdim=True)
        for i in range(self.n_res):
            x = getattr(self, f"UpBlock1_{i + 1}")(x, gamma, beta)
        return self.UpBlock2(x), logits, heat


class Discriminator(nn.Module):
    def __init__(self, ch, layers):
        super().__init__()
        body, cin = [], 3
        for i in range(layers - 1):
            cout, stride = (ch, 2) if i == 0 else (2 * cin, 1 if i == layers - 2 else 2)
            body += conv(cin, cout, 4, stride, 1, True, spectral_norm) + [nn.LeakyReLU(SLOPE, True)]
            cin = cout
        self.model = nn.Sequential(*body)
        self.gap_fc, self.gmp_fc = (spectral_norm(nn.Linear(cin, 1, bias=False)) for _ in "12")
        self.conv1x1 = nn.Conv2d(2 * cin, cin, 1)
        self.pad = nn.ReflectionPad2d(1)
        self.conv = spectral_norm(nn.Conv2d(cin, 1, 4, bias=False))

    def forward(self, picture):
        # The features are weighted by the weights before their spectral normalisation.
        logits, x = class_activation(self, self.model(picture), lambda fc: fc.weight_orig)
        x = F.leaky_relu(x, SLOPE)
        return self.conv(self.pad(x)), logits, x.sum(1, keepdim=True)


# --------------------------------------------------------------------------------------------------
# The iteration.


def squares(x, target):
    return F.mse_loss(x, torch.full_like(x, target))


def entropy(x, target):
    return F.binary_cross_entropy_with_logits(x, torch.full_like(x, target))


class Training:
    """Six networks, two optimisers."""

    def __init__(self, config, device, dtype=torch.float32, *, lean=False, amp=False, layout=None, compiled=False):
        self.config, self.lean, self.amp = config, lean, amp
        self.nets = {
            "genA2B": Generator(config),
            "genB2A": Generator(config),
            "disGA": Discriminator(config.ch, config.layers),
            "disGB": Discriminator(config.ch, config.layers),
            "disLA": Discriminator(config.ch, config.local_layers),
            "disLB": Discriminator(config.ch, config.local_layers),
        }
        for net in self.nets.values():
            net.to(device=device, dtype=dtype, memory_format=layout or torch.contiguous_format).train()
            if compiled:
                net.compile()
        self.gen = [net for name, net in self.nets.items() if name.startswith("gen")]
        self.dis = [net for name, net in self.nets.items() if name.startswith("dis")]
        self.rhos = [p for net in self.gen for name, p in net.named_parameters() if name.endswith("rho")]
        options = {
            "lr": config.lr,
            "betas": config.betas,
            "eps": config.adam_eps,
            "weight_decay": config.weight_decay,
        }
        self.adam = [
            torch.optim.Adam(itertools.chain.from_iterable(net.parameters() for net in nets), **options)
            for nets in (self.dis, self.gen)
        ]

    def iterate(self, real_a, real_b):
        """One iteration: discriminators, then generators. Gives all losses, still on the device."""
        real = {"A": real_a, "B": real_b}
        losses = self.step_discriminators(real) | self.step_generators(real)
        with torch.no_grad():
            for rho in self.rhos:
                rho.clamp_(0, 1)
        return losses

    def step_discriminators(self, real):
        optimiser, nets, losses = self.adam[0], self.nets, {}
        optimiser.zero_grad()
        # The official program does not detach the fakes: it also computes gradients of the generators
        # here, and throws them away.
        with torch.set_grad_enabled(not self.lean), self.precision():
            fake = {"B": nets["genA2B"](real["A"])[0], "A": nets["genB2A"](real["B"])[0]}
        with self.precision():
            for scale, x in itertools.product("GL", "AB"):
                net = nets[f"dis{scale}{x}"]
                for what, picture, target in (("real", real[x], 1.0), ("fake", fake[x], 0.0)):
                    out, cam, _ = net(picture)
                    losses[f"D/{scale}{x}/ad_{what}"] = squares(out, target)
                    losses[f"D/{scale}{x}/cam_{what}"] = squares(cam, target)
            total = self.config.adversarial * sum(losses.values())
        total.backward()
        self.norms(losses, "dis")
        optimiser.step()
        return self.kept(losses, "D", total)

    def step_generators(self, real):
        optimiser, nets, losses, c = self.adam[1], self.nets, {}, self.config
        optimiser.zero_grad()
        if self.lean:
            for net in self.dis:
                net.requires_grad_(False)
        total = 0.0
        with self.precision():
            there = {"A": nets["genB2A"](real["B"]), "B": nets["genA2B"](real["A"])}
            back = {"A": nets["genB2A"](there["B"][0]), "B": nets["genA2B"](there["A"][0])}
            same = {"A": nets["genB2A"](real["A"]), "B": nets["genA2B"](real["B"])}
            for x in "AB":
                for scale in "GL":
                    out, cam, _ = nets[f"dis{scale}{x}"](there[x][0])
                    losses[f"G/{scale}{x}/ad"] = squares(out, 1.0)
                    losses[f"G/{scale}{x}/ad_cam"] = squares(cam, 1.0)
                    total += c.adversarial * (losses[f"G/{scale}{x}/ad"] + losses[f"G/{scale}{x}/ad_cam"])
                losses[f"G/{x}/cycle"] = F.l1_loss(back[x][0], real[x])
                losses[f"G/{x}/identity"] = F.l1_loss(same[x][0], real[x])
                losses[f"G/{x}/cam_translated1"] = entropy(there[x][1], 1.0)
                losses[f"G/{x}/cam_identity0"] = entropy(same[x][1], 0.0)
                total += c.cycle * losses[f"G/{x}/cycle"] + c.identity * losses[f"G/{x}/identity"]
                total += c.cam * (losses[f"G/{x}/cam_translated1"] + losses[f"G/{x}/cam_identity0"])
        total.backward()
        self.norms(losses, "gen")
        optimiser.step()
        if self.lean:
            for net in self.dis:
                net.requires_grad_(True)
        return self.kept(losses, "G", total)

    # Set by the check: the timed iteration does not compute norms that the official one does not.
    with_norms = False

    def norms(self, losses, kind):
        if self.with_norms:
            for name, net in self.nets.items():
                if name.startswith(kind):
                    parts = [p.grad.double().pow(2).sum() for p in net.parameters()]
                    losses[f"gradnorm/{name}"] = torch.stack(parts).sum().sqrt()

    @staticmethod
    def kept(losses, player, total):
        return {name: loss.detach() for name, loss in (losses | {f"{player}/total": total}).items()}

    def precision(self):
        kind = next(self.gen[0].parameters()).device.type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.amp)


# --------------------------------------------------------------------------------------------------
# The check.

# In f64 nothing but the order of sums differs. In f32 a run drifts: from iteration to iteration
# more, and least in the first. Terms below SMALL are squares of nearly cancelled numbers.
EXACT = 1e-9
FIRST = 5e-5
LATER = 5e-3
SMALL = 1e-2


def check(folder, device, args):
    """Follows each recorded run of the official program; whether all of it agrees."""
    from safetensors.torch import load_file

    paths = sorted(folder.glob("traj_*.json"))
    if not paths:
        sys.exit(f"{folder} has no recorded run (traj_*.json with its _init and _data.safetensors)")
    good = True
    for path in paths:
        recorded = json.loads(path.read_text())
        c = recorded["config"]
        config = Config(
            c["ch"], c["img"], c["light"], c["n_res"], c["n_layers_global"], c["n_layers_local"], c["batch"],
            c["adv"], c["cycle"], c["identity"], c["cam"], c["lr"], tuple(c["betas"]), c["eps"], c["weight_decay"],
        )  # fmt: skip
        init, data = (load_file(path.with_name(f"{path.stem}_{part}.safetensors")) for part in ("init", "data"))
        for dtype in (torch.float32, torch.float64):
            single = dtype == torch.float32
            training = prepared(config, device, args, dtype)
            training.with_norms = True
            for name, net in training.nets.items():
                own = {key.split("/", 1)[1]: t for key, t in init.items() if key.startswith(f"{name}/")}
                net.load_state_dict(own)
            worst = []
            for i, official in enumerate(recorded["log_f32" if single else "log_f64"]):
                pictures = (placed(data[f"real_{x}"][i].to(dtype), device, args) for x in "AB")
                found = {name: loss.item() for name, loss in training.iterate(*pictures).items()}
                if found.keys() != official.keys():
                    sys.exit(f"{path.stem}: other terms: {sorted(found.keys() ^ official.keys())}")
                errors = {n: abs(found[n] - official[n]) / max(abs(official[n]), SMALL) for n in official}
                worst.append(max(errors.values()))
                limit = EXACT if not single else LATER if i else FIRST
                for name, error in errors.items():
                    if not error <= limit:
                        good = False
                        print(f"{path.stem}, iteration {i + 1}: {name} is {found[name]}, not {official[name]}")
            print(f"{path.stem} {'f32' if single else 'f64'}: off by", ", ".join(f"{e:.1e}" for e in worst))
    print("the same work as the official program's" if good else "NOT the same work")
    return good


# --------------------------------------------------------------------------------------------------
# The timing.


def prepared(config, device, args, dtype=torch.float32):
    layout = torch.channels_last if args.channels_last else None
    amp = args.amp == "bf16"
    return Training(config, device, dtype, lean=args.lean, amp=amp, layout=layout, compiled=args.compile)


def placed(picture, device, args):
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    return picture.to(device).contiguous(memory_format=layout)


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def iterations(config, device, args):
    """Milliseconds of one iteration after the other, without end."""
    torch.manual_seed(1)
    training = prepared(config, device, args)
    # On the host, as the pictures of `cargo xtask bench --train`.
    pictures = [torch.rand(config.batch, 3, config.size, config.size) * 2 - 1 for _ in "AB"]
    while True:
        wait(device)
        started = time.perf_counter()
        losses = training.iterate(*(placed(picture, device, args) for picture in pictures))
        total = losses["G/total"].item()
        wait(device)
        if total != total:
            sys.exit("the losses are not finite, so the time says nothing")
        yield (time.perf_counter() - started) * 1e3


def measure(config, device, args):
    times = iterations(config, device, args)
    for _ in itertools.islice(times, args.warmup):
        pass
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    report("an iteration", config, device, args, list(itertools.islice(times, args.steps)))


def take_turns(config, device, args):
    """Answers each line with the times of so many iterations, for `cargo xtask bench --train`."""
    times = iterations(config, device, args)
    for _ in itertools.islice(times, args.warmup):
        pass
    for _ in sys.stdin:
        print(*itertools.islice(times, args.steps), flush=True)


@torch.no_grad()
def measure_translation(config, device, args):
    torch.manual_seed(1)
    generator = Generator(config).to(device).eval()
    if args.channels_last:
        generator = generator.to(memory_format=torch.channels_last)
    if args.compile:
        generator = torch.compile(generator)
    picture = torch.rand(config.batch, 3, config.size, config.size) * 2 - 1
    times = []
    while len(times) < args.warmup + args.steps or sum(times) < 600:
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=args.amp == "bf16"):
            translation = generator(placed(picture, device, args))[0]
        translation.cpu()
        times.append((time.perf_counter() - started) * 1e3)
    times = times[len(times) // 2 :]
    report("a translation", config, device, args, times)


def report(what, config, device, args, times):
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    kind = "light" if config.light else "full"
    speed = [flag for flag in ("lean", "tf32", "compile", "channels_last", "cudnn_benchmark") if getattr(args, flag)]
    speed += [f"amp {args.amp}"] if args.amp != "off" else []
    print(f"PyTorch {torch.__version__} on {name}")
    print(f"{kind}, ch {config.ch}, {config.size}x{config.size}, {config.layers} layers, batch {config.batch}")
    print(f"f32{' with ' + ', '.join(speed) if speed else ', no option that speeds it up'}")
    print(f"{what}: median {statistics.median(times):.2f} ms, min {min(times):.2f} ms, of {len(times)}")
    if device.type == "cuda":
        print(f"peak memory of tensors: {torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--ch", type=int, default=64, help="base width (64)")
    add("--size", type=int, default=256, help="the pictures' size (256)")
    add("--layers", type=int, default=7, help="layers of the global discriminators (7)")
    add("--local-layers", type=int, default=5, help="layers of the local discriminators (5)")
    add("--n-res", type=int, default=4, help="residual blocks on each side (4)")
    add("--batch", type=int, default=1)
    add("--full", action="store_true", help="full generators, not light ones")
    add("--device", choices=["cuda", "cpu"], default="cuda" if torch.cuda.is_available() else "cpu")
    add("--threads", type=int, help="of the CPU")
    add("--steps", type=int, default=20, help="iterations that count (20)")
    add("--warmup", type=int, default=5, help="iterations before them (5)")
    add("--translate", action="store_true", help="only a translation, from and to the host, as `cargo xtask bench`")
    add("--turns", action="store_true", help="wait for lines, and answer each with the times of --steps iterations")
    add("--lean", action="store_true", help="without the gradients that the official program throws away")
    add("--tf32", action="store_true", help="tensor cores in TF32; PyTorch's own default for convolutions")
    add("--amp", choices=["off", "bf16"], default="off")
    add("--compile", action="store_true", help="torch.compile")
    add("--channels-last", action="store_true", help="on CUDA; check it with --check at batch 1")
    add("--cudnn-benchmark", action="store_true", help="cuDNN tries its kernels and keeps the fastest")
    add("--check", type=Path, metavar="DIR", help="compare with the official program's recorded runs, and end")
    args = parser.parse_args()
    if args.channels_last and args.device == "cpu":
        parser.error("on the CPU instance_norm's gradient is wrong in channels_last at batch 1 (seen in PyTorch 2.5.1)")
    if args.check and (args.tf32 or args.amp != "off"):
        parser.error("--check compares f32 and f64; leave --tf32 and --amp out")
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    torch.backends.cudnn.benchmark = args.cudnn_benchmark
    device = torch.device(args.device)
    if args.check:
        sys.exit(not check(args.check, device, args))
    config = Config(args.ch, args.size, not args.full, args.n_res, args.layers, args.local_layers, args.batch)
    work = measure_translation if args.translate else take_turns if args.turns else measure
    work(config, device, args)


if __name__ == "__main__":
    main()

"""What watching a training loop costs: time and memory, beside a plain recorder of every layer at every step.

    python benchmarks/watch.py [--rounds 3] [--steps 60]

Two loops written by hand in PyTorch: a ResNet-20 on batches of 128 pictures of 32 × 32, and a GPT of 10 million
parameters on 8 texts of 256 tokens. Each trains plainly, under the watch at its default schedule, and with a
recorder as many write it: a forward hook on every module and the norm of every gradient, at every step. The three
alternate in rounds; weights after the watched run must be those of the plain one, bit for bit. Time is the processor's,
so that other programs do not count. A run's overhead depends on its length, since looks become rare: it is printed for
several lengths, from the cost of a look and of a step between. Targets: ≤ 3 % of time, ≤ 5 % of memory.
"""

import argparse
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.diagnose import LookSchedule, Watch
from sightline.models.gpt import GPT
from sightline.models.resnet_sizes import resnet20


@dataclass(frozen=True)
class Loop:
    """A network, its batches and its loss."""

    name: str
    network: Callable[[], nn.Module]
    batch: Callable[[], tuple[Tensor, Tensor]]
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor]


def pictures() -> tuple[Tensor, Tensor]:
    """Pictures in ten classes; what they show does not matter to the clock."""
    return torch.randn(128, 3, 32, 32), torch.randint(0, 10, (128,))


def texts() -> tuple[Tensor, Tensor]:
    """Tokens and those that follow."""
    tokens = torch.randint(0, 5_000, (8, 257))
    return tokens[:, :-1], tokens[:, 1:]


LOOPS = (
    Loop(
        "ResNet-20, 128 pictures", lambda: resnet20(num_outputs=10), pictures, lambda m, x, y: F.cross_entropy(m(x), y)
    ),
    Loop(
        "GPT of 10 million, 8 × 256 tokens",
        lambda: GPT(vocabulary_size=5_000, context_length=256, depth=6, width=320, num_heads=5),
        texts,
        lambda m, x, y: F.cross_entropy(m(x).transpose(1, 2), y),
    ),
)


@contextmanager
def recorder(model: nn.Module) -> Iterator[None]:
    """Moments of every module's output and the norm of every gradient, at every step."""
    rows: list[Any] = []

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            y = output.detach()
            rows.append((float(y.mean()), float(y.std()), float((y == 0).float().mean())))

    hooks = [m.register_forward_hook(note) for m in model.modules()]
    hooks += [
        p.register_post_accumulate_grad_hook(lambda p: rows.append(float(p.grad.norm()))) for p in model.parameters()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def trained(loop: Loop, steps: int, around: str) -> tuple[list[float], list[Tensor]]:
    """Processor seconds of each step, and the weights at the end."""
    torch.manual_seed(0)
    model = loop.network()
    model.train()
    sgd = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    batches = [loop.batch() for _ in range(4)]
    seconds = []
    ways: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "plain": nullcontext,
        "watched": lambda: Watch(model, sgd),
        "recorder": lambda: recorder(model),
    }
    with ways[around]():
        for step in range(steps):
            began = time.process_time()
            x, y = batches[step % 4]
            sgd.zero_grad()
            loop.loss(model, x, y).backward()
            sgd.step()
            seconds.append(time.process_time() - began)
    return seconds, [p.detach().clone() for p in model.parameters()]


def report(loop: Loop, rounds: int, steps: int) -> None:
    """Run all three and print."""
    found: dict[str, list[list[float]]] = {"plain": [], "watched": [], "recorder": []}
    weights: dict[str, list[Tensor]] = {}
    memory: dict[str, float] = {}
    trained(loop, 5, "plain")  # the first steps of a process are slower
    for _ in range(rounds):
        for around, runs in found.items():
            seconds, weights[around] = trained(loop, steps, around)
            runs.append(seconds)
            memory.setdefault(around, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    same = all(torch.equal(a, b) for a, b in zip(weights["plain"], weights["watched"], strict=True))
    plain = statistics.median(s for run in found["plain"] for s in run[2:])
    schedule = LookSchedule()
    looks = [step for step in range(2, steps) if schedule.looks(step)]
    between = [step for step in range(2, steps) if step not in looks]
    look = statistics.median(run[s] for run in found["watched"] for s in looks) - plain
    other = statistics.median(run[s] for run in found["watched"] for s in between) - plain
    every = statistics.median(s for run in found["recorder"] for s in run[2:]) - plain
    print(f"{loop.name}: a step {plain * 1e3:.0f} ms; weights {'identical' if same else 'DIFFERENT'}")
    print(f"  a look {look / plain:+.1%} of a step, a step between {other / plain:+.2%}; recorder {every / plain:+.1%}")
    for length in (100, 1_000, 10_000, 100_000):
        seen = sum(schedule.looks(step) for step in range(length))
        more = (seen * look + (length - seen) * other) / (length * plain)
        print(f"  run of {length:>7,} steps, {seen:>3} looks: {more:+.2%}")
    peaks = ", ".join(f"{name} {size:,.0f} MiB" for name, size in memory.items())
    print(f"  most memory so far, in this order: {peaks}", flush=True)


def main() -> None:
    """All loops."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for loop in LOOPS:
        report(loop, given.rounds, given.steps)


if __name__ == "__main__":
    main()

"""What watching a training loop costs: time and memory, beside a plain recorder of every layer at every step.

    python benchmarks/watch.py [--blocks 8]

Two loops written by hand in PyTorch: a ResNet-20 on batches of 128 pictures of 32 × 32, and a GPT of 10 million
parameters on 8 texts of 256 tokens. Each trains plainly, under the watch, and with a recorder as many write it: a
forward hook on every module and the norm of every gradient, at every step. The three alternate in blocks of a few
steps, and each is compared with the plain steps beside it: a machine that grows slower for a while does so for all.
Weights after the watched steps must be those after the plain ones, bit for bit. Time is the processor's, so that
other programs count as little as can be. The watched blocks look at every third step: that gives the cost of a step
looked at, of the one after, whose gradient is compared with it, and of a step between. How often each comes is the
default schedule's; as looks become rare the overhead depends on the run's length: it is printed for several. Targets:
≤ 3 % of time, ≤ 5 % of memory.
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


class EveryThird:
    """Looks at the third step of a block, the sixth, and so on."""

    def looks(self, step: int) -> bool:
        """Whether this step is looked at."""
        return step % 3 == 2


LOOKED, AFTER, BETWEEN = 0, 1, 2
"""What a step of a watched block is, by its place less 2, modulo 3."""
BLOCK = 11


class Training:
    """One loop that is taken up again and again."""

    def __init__(self, loop: Loop, around: str) -> None:
        torch.manual_seed(0)
        self.loop, self.around = loop, around
        self.model = loop.network()
        self.model.train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.batches = [loop.batch() for _ in range(4)]

    def block(self) -> list[float]:
        """Processor seconds of each of some steps; the first two, where a watch sets out, are left away."""
        ways: dict[str, Callable[[], AbstractContextManager[Any]]] = {
            "plain": nullcontext,
            "watched": lambda: Watch(self.model, self.optimizer, schedule=EveryThird()),  # type: ignore[arg-type]
            "recorder": lambda: recorder(self.model),
        }
        seconds = []
        with ways[self.around]():
            for step in range(BLOCK):
                began = time.process_time()
                x, y = self.batches[step % 4]
                self.optimizer.zero_grad()
                self.loop.loss(self.model, x, y).backward()
                self.optimizer.step()
                seconds.append(time.process_time() - began)
        return seconds[2:]


def report(loop: Loop, blocks: int) -> None:
    """Run all three and print."""
    trainings = {around: Training(loop, around) for around in ("plain", "watched", "recorder")}
    memory: dict[str, float] = {}
    more: dict[str, list[float]] = {"looked at": [], "after": [], "between": [], "recorder": []}
    plain = []
    for _ in range(blocks):
        seconds = {}
        for around, training in trainings.items():
            seconds[around] = training.block()
            memory.setdefault(around, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        usual = statistics.median(seconds["plain"])
        plain.append(usual)
        for place, kind in ((LOOKED, "looked at"), (AFTER, "after"), (BETWEEN, "between")):
            more[kind].append(statistics.median(seconds["watched"][place::3]) / usual - 1)
        more["recorder"].append(statistics.median(seconds["recorder"]) / usual - 1)
    a, b = ([p.detach() for p in trainings[around].model.parameters()] for around in ("plain", "watched"))
    same = all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    middle = {kind: statistics.median(values) for kind, values in more.items()}
    print(
        f"{loop.name}: a step {statistics.median(plain) * 1e3:.0f} ms; weights {'identical' if same else 'DIFFERENT'}"
    )
    for kind, values in more.items():
        quarters = statistics.quantiles(values, n=4)
        print(f"  a step {kind}: {middle[kind]:+.2%}, blocks {quarters[0]:+.2%} to {quarters[2]:+.2%}")
    schedule = LookSchedule()
    for length in (100, 1_000, 10_000, 100_000):
        looks = sum(schedule.looks(step) for step in range(length))
        after = sum(schedule.looks(step - 1) and not schedule.looks(step) for step in range(1, length))
        # a step looked at that follows one is counted as both
        extra = looks * middle["looked at"] + after * middle["after"] + (length - looks - after) * middle["between"]
        print(f"  run of {length:>7,} steps, {looks:>3} looks: {extra / length:+.2%}")
    peaks = ", ".join(f"{name} {size:,.0f} MiB" for name, size in memory.items())
    print(f"  most memory so far, in this order: {peaks}", flush=True)


def main() -> None:
    """All loops."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=8)
    given = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for loop in LOOPS:
        report(loop, given.blocks)


if __name__ == "__main__":
    main()

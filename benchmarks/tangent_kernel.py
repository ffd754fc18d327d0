"""The tangent kernel by layers beside the naive way: every example's derivatives written out, then multiplied.

    python benchmarks/tangent_kernel.py [--examples 500] [--widths 64 256 256 64 10] [--repeats 3] [--quick]

A ReLU network on standard normal inputs; the kernel is the mean over outputs, as it is used for alignment and drift.
Naive is what people write: a backward pass for each example
and output, the gradients in one matrix J, and J Jᵀ. Beside it torch.func (``vmap`` of ``jacrev``), which is also
explicit. Printed: seconds of processor time, so that other work on the machine does not count (ours the least of the
repeats), ratios, and on 100 examples the largest error, relative to the largest entry of the kernel in float64.
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from sightline.understand.layer_table import aligned
from sightline.understand.tangent_kernel import tangent_kernel


def network(widths: list[int]) -> nn.Sequential:
    """Dense layers with ReLU between."""
    layers: list[nn.Module] = []
    for inner, outer in pairwise(widths):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def naive(model: nn.Module, x: Tensor) -> Tensor:
    """J, example by example and output by output: (N, O, P)."""
    parameters = list(model.parameters())
    J = empty(model, x)
    for i, one in enumerate(x):
        for a, value in enumerate(model(one[None])[0]):
            parts = torch.autograd.grad(value, parameters, retain_graph=True)
            J[i, a] = torch.cat([part.flatten() for part in parts])
    return J


def by_functions(model: nn.Module, x: Tensor) -> Tensor:
    """J by torch.func, 50 examples at a time: (N, O, P)."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def one(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        y: Tensor = functional_call(model, parameters, (x[None],))[0]
        return y

    every = empty(model, x)
    for part, place in zip(x.split(50), every.split(50), strict=True):
        J = vmap(jacrev(one), (None, 0))(parameters, part)
        torch.cat([J[name].flatten(2) for name in parameters], 2, out=place)
    return every


def empty(model: nn.Module, x: Tensor) -> Tensor:
    """Room for all derivatives, (N, O, P): without it they would be held twice."""
    last = [p.shape[0] for p in model.parameters()][-1]
    return x.new_empty(len(x), last, sum(p.numel() for p in model.parameters()))


def mean_kernel(J: Tensor) -> Tensor:
    """(1/O) Σ_a J_ia · J_ja."""
    return J.flatten(1) @ J.flatten(1).T / J.shape[1]


def measured(run: Callable[[], Tensor], repeats: int) -> tuple[float, Tensor]:
    """Least seconds of processor time, and what came of it."""
    seconds, found = float("inf"), torch.empty(0)
    for _ in range(repeats):
        before = time.process_time()
        found = run()
        seconds = min(seconds, time.process_time() - before)
    return seconds, found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256, 256, 64, 10])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    given = parser.parse_args()
    widths, N, repeats = ([8, 16, 4], 20, 1) if given.quick else (given.widths, given.examples, given.repeats)
    torch.manual_seed(0)
    model, x = network(widths), torch.randn(N, widths[0])
    P = sum(p.numel() for p in model.parameters())
    print(f"{P:,} parameters, {N} examples, {widths[-1]} outputs, {torch.get_num_threads()} threads\n")
    some = min(N, 100)
    exact = mean_kernel(by_functions(model.double(), x[:some].double()))
    model.float()
    ways: dict[str, Callable[[], Tensor]] = {
        "by layers": lambda: tangent_kernel(model, x, outputs="mean").matrix,
        "torch.func, explicit": lambda: mean_kernel(by_functions(model, x)),
        "naive, explicit": lambda: mean_kernel(naive(model, x)),
    }
    cells: list[tuple[str, ...]] = [("way", "seconds", "beside ours", "error")]
    ours = 0.0
    for name, run in ways.items():
        seconds, found = measured(run, repeats if name == "by layers" else 1)
        ours = ours or seconds
        error = float((found[:some, :some].double() - exact).abs().max() / exact.abs().max())
        cells.append((name, f"{seconds:.3g}", f"{seconds / ours:.1f} ×", f"{error:.1e}"))
    print(aligned(cells, left=1))


if __name__ == "__main__":
    main()

"""The edge of stability: full-batch descent sharpens the loss until 2/η, and stays there (Cohen et al. 2021).

    python benchmarks/edge_of_stability.py [--quick]

Two problems, tanh networks with two hidden layers of 32, squared error: the Chebyshev polynomial of degree 4 at 20
points, and the first 200 handwritten digits of scikit-learn. Printed: sharpness · η/2 at the start and at the end, and
whether the end is in 0.95 to 1.15; and the loss, which falls on while every step is too long for the parabola it is on.
"""

import argparse
import time
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from sightline.understand.layer_table import aligned
from sightline.understand.loss_surface import LossSurface
from sightline.understand.sharpness import sharpness
from sightline.understand.stability_limit import stability_limit


def chebyshev() -> tuple[Tensor, Tensor]:
    """T₄ at 20 even places of [−1, 1]."""
    x = torch.linspace(-1, 1, 20)[:, None]
    return x, torch.cos(4 * torch.acos(x))


def digits() -> tuple[Tensor, Tensor]:
    """200 images of 8 × 8, standardised together, and their classes as one-hot."""
    found = load_digits()
    x = torch.tensor(found.data[:200], dtype=torch.float32)
    return (x - x.mean()) / x.std(), torch.eye(10)[torch.tensor(found.target[:200])]


def descend(x: Tensor, y: Tensor, lr: float, steps: int) -> tuple[str, ...]:
    """One line of the table."""
    torch.manual_seed(0)
    sizes = (x.shape[1], 32, 32, y.shape[1])
    layers = [part for a, b in pairwise(sizes[:-1]) for part in (nn.Linear(a, b), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(*sizes[-2:]))
    surface = LossSurface(model, [(x, y)], lambda batch: (model(batch[0]) - batch[1]).square().sum(1).mean() / 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    limit, before = stability_limit(lr), time.perf_counter()
    start = sharpness(surface, tolerance=1e-3)
    surface.forget()
    for _ in range(steps):
        optimizer.zero_grad()
        surface.loss((x, y)).backward()
        optimizer.step()
    end = sharpness(surface, tolerance=1e-3)
    ratio = end.largest / limit
    seconds = time.perf_counter() - before
    return (
        f"{lr:g}",
        f"{steps:,}",
        f"{start.largest / limit:.3f}",
        f"{ratio:.3f}",
        "yes" if 0.95 <= ratio <= 1.15 else "no",
        f"{start.loss:.3g}",
        f"{end.loss:.2g}",
        f"{seconds:.0f}",
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it works")
    given = parser.parse_args()
    problems = {"Chebyshev": (chebyshev(), (0.4, 0.2, 0.1)), "digits": (digits(), (0.4, 0.3, 0.2))}
    head = ("problem", "η", "steps", "λη/2, start", "end", "0.95-1.15", "loss, start", "end", "seconds")
    cells: list[tuple[str, ...]] = [head]
    for name, ((x, y), rates) in problems.items():
        cells += [(name, *descend(x, y, lr, 20 if given.quick else 4000)) for lr in rates]
    print(aligned(cells, left=1))


if __name__ == "__main__":
    main()

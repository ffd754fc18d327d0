"""One line around a training loop of your own: a watch that also writes the page.

It stands above the rooms, for it joins two that may not know each other: the watch works on torch's modules and lies
below the engine, the report reads plain values and never loads torch.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from sightline.diagnose import Watch, digest
from sightline.report import write_diagnosis


class WatchedLoop(Watch):
    """A watch whose findings can be a page."""

    def __enter__(self) -> "WatchedLoop":
        """See the loop."""
        super().__enter__()
        return self

    def report(self, path: Path | str = "report.html") -> Path:
        """Write the page: verdict, curves, findings with their evidence, layers over time; one offline file.

        Raises:
            RunFolderError: when it can't be written.

        Lecture: U1, U7
        """
        return write_diagnosis(Path(path), self.findings().to_dict(), digest(self.record))


def watch(
    model: nn.Module | Iterable[nn.Module] | None = None,
    optimizer: Optimizer | Iterable[Optimizer] | None = None,
    *,
    validation: Iterable[Any] | None = None,
) -> WatchedLoop:
    """See a training loop from outside, and say what is wrong with it; the loop computes what it would without.

    Args:
        model: the network, or several; none: every module with parameters that is called.
        optimizer: the optimiser, or several; none: every one that makes a step.
        validation: a loader of (inputs, targets) for a loop without validation of its own: at the end the training
            loss is measured on at most 2,048 of its examples.

    Returns:
        To stand in a ``with`` statement; then ``findings()`` and ``report("report.html")``.

    Raises:
        InputError: for what is no module or no optimiser.

    Cost:
        Memory and time of a few norms at a few steps for each doubling of their number; the others cost little.

    Lecture: U7

    Example:
        >>> import torch
        >>> net = nn.Linear(3, 1)
        >>> sgd = torch.optim.SGD(net.parameters(), lr=0.1)
        >>> with watch(net, sgd) as w:
        ...     for _ in range(20):
        ...         net(torch.ones(8, 3)).square().mean().backward()  # the gradient is never zeroed
        ...         sgd.step()
        >>> "gradients-not-zeroed" in [finding.cause for finding in w.findings()]
        True
    """
    return WatchedLoop(model, optimizer, validation=validation)

"""Accuracy against compute of a network with early exits, as the threshold of leaving goes from 0 to 1."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, isnan

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.understand.multiply_adds import Counting

THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.01)
"""Probabilities that are sure enough to leave: from none asked for to one that is never reached."""


@dataclass(frozen=True)
class ExitCurve:
    """What a network with exits costs and gets right, threshold by threshold.

    Args:
        thresholds: an example leaves at the first exit whose largest probability reaches it.
        accuracy: share of right answers at each threshold.
        compute: mean multiply-adds an example at each threshold.
        leaving: share of the examples that leave at each exit, for each threshold.
        exit_accuracy: share of right answers where all leave at one exit, for each exit.
        exit_compute: multiply-adds up to each exit, the heads on the way included.
        count: number of examples.

    Lecture: V9
    """

    thresholds: tuple[float, ...]
    accuracy: tuple[float, ...]
    compute: tuple[float, ...]
    leaving: tuple[tuple[float, ...], ...]
    exit_accuracy: tuple[float, ...]
    exit_compute: tuple[float, ...]
    count: int


def exit_curve(
    outputs: Float[Tensor, "exits batch classes"],
    target: Int[Tensor, " batch"],
    costs: Sequence[float],
    thresholds: Sequence[float] = THRESHOLDS,
) -> ExitCurve:
    """Accuracy and mean compute at each threshold t: an example leaves at exit min{k : max softmax(z_k) ≥ t}.

    Where no inner exit is that sure the example leaves at the last one.

    Shapes:
        outputs (exits, batch, classes), target (batch,)

    Args:
        outputs: logits of every exit, the last one included.
        target: true classes.
        costs: multiply-adds up to each exit, positive and not descending; see :func:`exit_costs`.
        thresholds: probabilities, any order; more than 1 means the last exit.

    Raises:
        InputError: for shapes, costs or thresholds that can't be.

    Source: Teerapittayanon, McDanel and Kung 2016, "BranchyNet", §III-C, with the largest probability in place of
        the entropy, as Huang et al. 2018, §5 (budgeted batch classification)

    Lecture: V9

    Example:
        >>> sure, unsure = [9.0, 0.0], [0.1, 0.0]
        >>> outputs = torch.tensor([[sure, unsure], [sure, [0.0, 9.0]]])
        >>> curve = exit_curve(outputs, torch.tensor([0, 1]), [10, 30], [0.0, 0.9, 2.0])
        >>> curve.accuracy, curve.compute
        ((0.5, 1.0, 1.0), (10.0, 20.0, 30.0))
    """
    _require(outputs, target, costs, thresholds)
    sure = outputs.float().softmax(2).amax(2)
    right = (outputs.argmax(2) == target).double()
    spent = torch.tensor([float(cost) for cost in costs], dtype=torch.float64, device=outputs.device)
    accuracy, compute, leaving = [], [], []
    for threshold in thresholds:
        enough = sure >= threshold
        enough[-1] = True
        taken = enough.int().argmax(0)  # the first of the largest
        accuracy.append(right.gather(0, taken[None]).mean().item())
        compute.append(spent[taken].mean().item())
        leaving.append(tuple((taken.bincount(minlength=len(outputs)) / len(target)).tolist()))
    return ExitCurve(
        thresholds=tuple(float(t) for t in thresholds),
        accuracy=tuple(accuracy),
        compute=tuple(compute),
        leaving=tuple(leaving),
        exit_accuracy=tuple(right.mean(1).tolist()),
        exit_compute=tuple(spent.tolist()),
        count=len(target),
    )


def _require(outputs: Tensor, target: Tensor, costs: Sequence[float], thresholds: Sequence[float]) -> None:
    found = ""
    if outputs.dim() != 3 or 0 in outputs.shape or outputs.shape[2] < 2:
        found = f"outputs of shape {tuple(outputs.shape)}"
    elif target.shape != outputs.shape[1:2]:
        found = f"targets of shape {tuple(target.shape)} for outputs of {tuple(outputs.shape)}"
    elif len(costs) != len(outputs):
        found = f"{len(costs)} costs for {len(outputs)} exits"
    elif not all(isfinite(c) and c > 0 for c in costs) or list(costs) != sorted(costs):
        found = f"costs {list(costs)}"
    elif not thresholds or any(isnan(t) for t in thresholds):
        found = f"thresholds {list(thresholds)}"
    if found:
        raise InputError(
            expected="outputs (exits, batch, classes) of two classes or more, a target and cost an exit that does not "
            "descend, and thresholds that are numbers",
            found=found,
            do="stack the outputs of all exits, the last one included",
        )


def exit_costs(run: Callable[[Tensor], object], heads: Sequence[nn.Module], x: Float[Tensor, "1 ..."]) -> list[int]:
    """Multiply-adds up to the end of each head, for one example: those of convolutions and matrix products.

    A convolution costs C_out·H_out·W_out·C_in·k_h·k_w/groups, a linear layer N_out·N_in; attention its two matrix
    products too. Additions of biases, normalisation and non-linearities are not counted. Costs one forward pass.

    Args:
        run: computes all exits, as ``network.exits``.
        heads: in the order they are computed, the last one included.
        x: one example.

    Raises:
        InputError: for another number of examples, or a head that was not computed.

    Lecture: V9

    Example:
        >>> first, second = nn.Linear(4, 3), nn.Linear(3, 2)
        >>> exit_costs(nn.Sequential(first, second), [first, second], torch.zeros(1, 4))
        [12, 18]
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    done: list[int] = []
    totals: dict[nn.Module, int] = {}

    def note(head: nn.Module, inputs: object, output: object) -> None:
        totals[head] = sum(done)

    handles = [head.register_forward_hook(note) for head in heads]
    try:
        # attention in plain matrix products: no fused kernel is left out
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), Counting(done.append):
            run(x)
    finally:
        for handle in handles:
            handle.remove()
    missing = [place for place, head in enumerate(heads) if head not in totals]
    if len(x) != 1 or missing:
        raise InputError(
            expected="one example, and heads that are all computed from it",
            found=f"{len(x)} examples" if len(x) != 1 else f"head {missing[0]} was not",
            do="pass network.exits, network.heads and x[:1]",
        )
    return [totals[head] for head in heads]

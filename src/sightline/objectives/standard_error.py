"""Test figures with their standard errors: how far a figure would move with another test set of its size.

Examples are taken as independent draws. n is their number; e_i = f_i − y_i an error.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Estimate(NamedTuple):
    """A figure and its standard error, in the figure's units; the error is NaN where n is too small."""

    value: float
    standard_error: float


def accuracy(label: Int[Tensor, " batch"], target: Int[Tensor, " batch"]) -> Estimate:
    """p = share of right labels, with standard error √(p(1−p)/n + 1/4n²)/(1 + 1/n).

    That is half of Wilson's interval of one standard deviation: √(p(1−p)/n) for many examples, and not 0
    where all of a few are right.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference"

    Lecture: F14

    Example:
        >>> accuracy(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0]))
        Estimate(value=0.75, standard_error=0.2)
    """
    p = float((label == target).double().mean())
    n = len(target)
    return Estimate(p, math.sqrt(p * (1 - p) / n + 1 / (4 * n * n)) / (1 + 1 / n))


def mean_absolute_error(prediction: Float[Tensor, " batch"], target: Float[Tensor, " batch"]) -> Estimate:
    """Σ|e_i|/n, with standard error s/√n, where s² = Σ(|e_i| − mean)²/(n−1).

    Lecture: F14

    Example:
        >>> mean_absolute_error(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
        Estimate(value=2.0, standard_error=1.0)
    """
    return _mean((prediction.double() - target.double()).abs())


def root_mean_squared_error(prediction: Float[Tensor, " batch"], target: Float[Tensor, " batch"]) -> Estimate:
    """√(Σe_i²/n), with standard error se(Σe_i²/n)/(2·rmse) (delta method); 0 where every error is 0.

    Lecture: F14

    Example:
        >>> root_mean_squared_error(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0]))
        Estimate(value=1.0, standard_error=0.0)
    """
    mean, error = _mean((prediction.double() - target.double()).square())
    root = math.sqrt(mean)
    return Estimate(root, error / (2 * root) if root > 0 else error)


def r_squared(prediction: Float[Tensor, " batch"], target: Float[Tensor, " batch"]) -> Estimate:
    """1 − Σe_i²/Σ(y_i − ȳ)², with its delete-one jackknife standard error √((n−1)/n · Σ(θ_i − θ̄)²).

    θ_i is the figure without example i, exactly, from the sums without it. NaN where the targets do not
    vary.

    Source: Efron and Tibshirani 1993, eq. (11.5)

    Lecture: F14

    Example:
        >>> r_squared(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])).value
        0.0
    """
    n = len(target)
    y = target.double() - target.double().mean()
    squared_errors = (prediction.double() - target.double()).square()
    residual, spread = squared_errors.sum(), y.square().sum()
    # without i the mean moves by −y_i/(n−1), and Σ(y − ȳ)² loses y_i²·n/(n−1)
    spread_without = spread - y.square() * n / max(n - 1, 1)
    figures = 1 - (residual - squared_errors) / spread_without
    figures = torch.where(spread_without > 1e-12 * spread, figures, torch.nan)  # what is left is rounding
    value = float(1 - residual / spread) if (target != target[0]).any() else math.nan
    return Estimate(value, _jackknife(figures, torch.ones_like(figures)))


def macro_precision(label: Int[Tensor, " batch"], target: Int[Tensor, " batch"], num_classes: int) -> Estimate:
    """Mean over classes of TP/(TP + FP), with its delete-one jackknife standard error.

    Classes that are neither label nor target of any example are left out; 0/0 counts as 0.

    Lecture: F14

    Example:
        >>> macro_precision(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 1]), 2)
        Estimate(value=1.0, standard_error=0.0)
    """
    return _macro(label, target, num_classes, false_positives=1.0, false_negatives=0.0)


def macro_recall(label: Int[Tensor, " batch"], target: Int[Tensor, " batch"], num_classes: int) -> Estimate:
    """Mean over classes of TP/(TP + FN), with its delete-one jackknife standard error.

    Classes that are neither label nor target of any example are left out; 0/0 counts as 0.

    Lecture: F14

    Example:
        >>> macro_recall(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 0]), 2).value
        0.8333333333333333
    """
    return _macro(label, target, num_classes, false_positives=0.0, false_negatives=1.0)


def macro_f1(label: Int[Tensor, " batch"], target: Int[Tensor, " batch"], num_classes: int) -> Estimate:
    """Mean over classes of TP/(TP + FP/2 + FN/2), with its delete-one jackknife standard error.

    Classes that are neither label nor target of any example are left out; 0/0 counts as 0.

    Lecture: F14

    Example:
        >>> macro_f1(torch.tensor([0, 1]), torch.tensor([0, 1]), 2).value
        1.0
    """
    return _macro(label, target, num_classes, false_positives=0.5, false_negatives=0.5)


def ratio(sums: Float[Tensor, " batch"], counts: Int[Tensor, " batch"]) -> Estimate:
    """R = Σs_i/Σn_i, the mean over terms that come in examples, with standard error √(Σ(s_i − R·n_i)²/(n(n−1)))/n̄.

    The examples are the independent draws, not their terms: the tokens of one passage are alike (delta method). NaN
    where there is no term.

    Args:
        sums: s_i, of each example's terms.
        counts: n_i, its terms; n̄ is their mean.

    Source: Cochran 1977, "Sampling Techniques", eq. (2.46)

    Lecture: F14

    Example:
        >>> ratio(torch.tensor([2.0, 4.0]), torch.tensor([2, 2]))
        Estimate(value=1.5, standard_error=0.5)
    """
    s, c = sums.double(), counts.double()
    n, terms = len(s), float(c.sum())
    if not terms:
        return Estimate(math.nan, math.nan)
    value = float(s.sum()) / terms
    if n < 2:
        return Estimate(value, math.nan)
    return Estimate(value, math.sqrt(float((s - value * c).square().sum()) * n / (n - 1)) / terms)


def mean(values: Float[Tensor, " batch"]) -> Estimate:
    """A sample's mean, with standard error s/√n.

    Lecture: F14

    Example:
        >>> mean(torch.tensor([1.0, 3.0]))
        Estimate(value=2.0, standard_error=1.0)
    """
    return _mean(values.double())


def grouped_macro_f1(confusion: Int[Tensor, "groups classes classes"]) -> Estimate:
    """Macro F1 of the sum of confusion matrices, with its delete-one-group jackknife standard error.

    A group holds whole examples, so that terms of one example, which are alike, are left out together. Classes that
    are neither label nor target of any term are left out.

    Args:
        confusion: [g, t, p]: terms of true class t labelled p in group g.

    Source: Efron and Tibshirani 1993, eq. (11.5)

    Lecture: F14

    Example:
        >>> grouped_macro_f1(torch.tensor([[[1, 0], [0, 1]], [[1, 0], [0, 2]]]))
        Estimate(value=1.0, standard_error=0.0)
    """
    whole = confusion.sum(0).double()
    figures = torch.stack([_f1(whole - one) for one in confusion.double()])
    return Estimate(float(_f1(whole)), _jackknife(figures, torch.ones_like(figures)))


def _f1(confusion: Float[Tensor, "classes classes"]) -> Float[Tensor, ""]:
    """The mean over present classes of 2·TP/(labelled + true)."""
    both = confusion.sum(0) + confusion.sum(1)
    return (2 * confusion.diagonal() / both.clamp(min=1))[both > 0].mean()


def _mean(values: Float[Tensor, " batch"]) -> Estimate:
    """A sample's mean and the standard error of that."""
    error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Estimate(float(values.mean()), error)


def _jackknife(figures: Float[Tensor, "*axes"], counts: Float[Tensor, "*axes"]) -> float:
    """√((n−1)/n · Σ c(θ − θ̄)²) over figures θ, each met c times, Σc = n."""
    n = counts.sum()
    if n < 2:
        return math.nan
    kept = counts > 0
    figures, counts = figures[kept], counts[kept]
    mean = (counts * figures).sum() / n
    return float(((n - 1) / n * (counts * (figures - mean).square()).sum()).sqrt())


def _macro(
    label: Int[Tensor, " batch"],
    target: Int[Tensor, " batch"],
    num_classes: int,
    *,
    false_positives: float,
    false_negatives: float,
) -> Estimate:
    """The mean over present classes of TP/(TP + a·FP + b·FN), jackknifed through the confusion matrix.

    Leaving out an example changes the figures of its own class t and its label p only, so the K × K
    kinds of examples give all n figures without it.
    """
    cells = target.long() * num_classes + label.long()
    confusion = torch.bincount(cells, minlength=num_classes**2).double().view(num_classes, num_classes)
    tp = confusion.diagonal()
    fp, fn = confusion.sum(0) - tp, confusion.sum(1) - tp

    def scores(tp: Tensor, fp: Tensor, fn: Tensor) -> Tensor:
        """Each class's figure and whether the class is present, (2, K)."""
        whole = tp + false_positives * fp + false_negatives * fn
        figure = torch.where(whole > 0, tp / whole.clamp(min=1e-9), 0.0)
        return torch.stack([figure, (tp + fp + fn > 0).double()])

    full = scores(tp, fp, fn)
    total = full.sum(1)
    without_right = scores(tp - 1, fp, fn) - full
    without_missed = scores(tp, fp, fn - 1) - full
    without_mistaken = scores(tp, fp - 1, fn) - full
    # row t, column p: the sums over classes when an example of class t labelled p is left out
    sums = total[:, None, None] + without_missed[:, :, None] + without_mistaken[:, None, :]
    sums.diagonal(dim1=1, dim2=2).copy_(total[:, None] + without_right)
    return Estimate(float(total[0] / total[1]), _jackknife(sums[0] / sums[1], confusion))

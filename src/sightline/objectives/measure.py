"""Every metric of a task on a whole split, each with its standard error and unit."""

import math
import sys
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from sightline.core.schema import Schema
from sightline.objectives import standard_error as se
from sightline.objectives.objective import Prediction
from sightline.objectives.span import span_f1


@dataclass(frozen=True)
class Measure:
    """One figure.

    Args:
        value: what was measured.
        standard_error: how far it would move with another test set of the same size.
        unit: the target's name for an error in its units; empty for a share.
    """

    value: float
    standard_error: float
    unit: str = ""

    def __str__(self) -> str:
        """Value, standard error and unit; where there were too few examples for an error, that is said.

        Example:
            >>> print(Measure(1.5, 0.25, "nats"), Measure(1.5, math.nan), sep="; ")
            1.5000 ± 0.2500 nats; 1.5000 (too few examples for an error bar)
        """
        unit = f" {self.unit}" if self.unit else ""
        if math.isnan(self.standard_error):
            return f"{self.value:.4f}{unit} (too few examples for an error bar)"
        return f"{self.value:.4f} ± {self.standard_error:.4f}{unit}"


def measure(
    prediction: Prediction, target: Int[Tensor, " batch"] | Float[Tensor, " batch"], schema: Schema
) -> dict[str, Measure]:
    """Accuracy and macro precision, recall, F1; or MAE and RMSE in the target's units, and R².

    Lecture: F14
    """
    value = prediction.value
    if schema.task == "classification":
        count = len(schema.classes)
        estimates = {
            "accuracy": se.accuracy(value, target),
            "precision": se.macro_precision(value, target, count),
            "recall": se.macro_recall(value, target, count),
            "f1": se.macro_f1(value, target, count),
        }
        units = {}
    else:
        estimates = {
            "mae": se.mean_absolute_error(value, target),
            "rmse": se.root_mean_squared_error(value, target),
            "r2": se.r_squared(value, target),
        }
        units = {"mae": schema.target, "rmse": schema.target}
    return {name: Measure(*estimate, units.get(name, "")) for name, estimate in estimates.items()}


def measure_language(
    nats: Float[Tensor, " examples"],
    right: Int[Tensor, " examples"],
    tokens: Int[Tensor, " examples"],
    bytes_per_token: float | None,
) -> dict[str, Measure]:
    """Perplexity, bits per byte where it is known, and the share of right tokens, from the sums of each example.

    Standard errors take examples, not tokens, as independent draws: the tokens of one passage are alike. Blocks cut
    from one text are not quite independent either, so these are lower bounds there.

    Args:
        nats: summed −log p of each example's tokens.
        right: tokens that were the likeliest.
        tokens: tokens predicted.
        bytes_per_token: UTF-8 bytes of this text over the tokens predicted of it, end tokens among them; none: bits
            per byte are not told.

    Lecture: F14

    Example:
        >>> import torch
        >>> figures = measure_language(torch.tensor([4.0, 4.0]), torch.tensor([1, 2]), torch.tensor([4, 4]), None)
        >>> round(figures["perplexity"].value, 4), figures["accuracy"].value
        (2.7183, 0.375)
    """
    loss, error = se.ratio(nats, tokens)
    perplexity = math.exp(loss) if loss < math.log(sys.float_info.max) else math.inf
    figures = {"perplexity": Measure(perplexity, perplexity * error)}
    if bytes_per_token is not None:
        per_bit = math.log(2) * bytes_per_token
        figures["bits_per_byte"] = Measure(loss / per_bit, error / per_bit)
    figures["accuracy"] = Measure(*se.ratio(right.double(), tokens))
    return figures


def measure_share(right: Bool[Tensor, " examples"]) -> Measure:
    """The share of examples that are right.

    Lecture: F14

    Example:
        >>> import torch
        >>> measure_share(torch.tensor([True, False, True, True])).value
        0.75
    """
    return Measure(*se.accuracy(right.long(), right.new_ones(len(right)).long()))


def measure_token_classes(
    right: Int[Tensor, " examples"], tokens: Int[Tensor, " examples"], confusion: Int[Tensor, "groups classes classes"]
) -> dict[str, Measure]:
    """Accuracy over all tokens and macro F1, with standard errors that take examples as independent draws.

    Args:
        right: tokens of the right class, of each example.
        tokens: tokens that have a class.
        confusion: [g, t, p]: tokens of true class t labelled p, in groups of whole examples.

    Lecture: F14
    """
    return {
        "accuracy": Measure(*se.ratio(right.double(), tokens)),
        "f1": Measure(*se.grouped_macro_f1(confusion)),
    }


def measure_spans(predicted: Int[Tensor, "examples 2"], target: Int[Tensor, "examples 2"]) -> dict[str, Measure]:
    """The share of exact spans and the mean F1 of their tokens.

    Lecture: F14

    Example:
        >>> import torch
        >>> measure_spans(torch.tensor([[2, 5], [0, 1]]), torch.tensor([[4, 5], [0, 1]]))["exact_match"].value
        0.5
    """
    return {
        "exact_match": measure_share((predicted == target).all(1)),
        "f1": Measure(*se.mean(span_f1(predicted, target))),
    }

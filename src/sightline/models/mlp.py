"""The multilayer perceptron: linear maps with a non-linearity between them."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.schema import Schema
from sightline.core.words import one_of
from sightline.models.fitness import require_predictable
from sightline.models.predictor import Predictor
from sightline.models.registry import model
from sightline.nn.stochastic_depth import checked_probability

Activation = Literal["relu", "gelu", "tanh"]

_LAYERS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


class MLP(Predictor):
    """h₀ = flatten(x), h_l = dropout(φ(W_l h_{l−1} + b_l)), outputs W h_L + b.

    Weights start normal with mean 0 and variance 2/fan_in where φ halves the second moment (ReLU, and
    nearly so GELU), 1/fan_in before tanh and in the head; biases start at 0.

    Shapes:
        x (batch, ...) with ``num_inputs`` numbers an example → (batch, num_outputs)

    Args:
        num_inputs: numbers in one example, all axes taken together.
        num_outputs: classes, or 1 for a number.
        hidden: units of each hidden layer; none makes it a generalised linear model.
        activation: φ.
        dropout: probability, in [0, 1), of setting a hidden unit to 0 in training.

    Raises:
        ConfigurationError: for an unknown activation, or a probability outside [0, 1).

    Source: He et al. 2015, "Delving Deep into Rectifiers", eq. (10), for the variance 2/fan_in

    Lecture: F1

    Example:
        >>> import torch
        >>> MLP(num_inputs=12, num_outputs=3, hidden=[8])(torch.zeros(2, 3, 2, 2)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        hidden: Sequence[int] = (128, 128),
        activation: Activation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        make_activation = _LAYERS[one_of(activation, get_args(Activation), "activation")]
        probability = checked_probability(dropout, "dropout")
        gain = 1.0 if activation == "tanh" else 2.0
        layers: list[nn.Module] = []
        width = num_inputs
        for units in hidden:
            layers += [_linear(width, units, gain), make_activation()]
            if probability:
                layers.append(nn.Dropout(probability))
            width = units
        self.hidden = nn.Sequential(*layers)
        self.head = _linear(width, num_outputs, 1.0)

    def features(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch num_features"]:
        """The last hidden layer."""
        features: Tensor = self.hidden(x.flatten(1))
        return features


def _linear(num_inputs: int, num_outputs: int, gain: float) -> nn.Linear:
    """A linear layer with weights of variance gain/num_inputs and no bias yet."""
    layer = nn.Linear(num_inputs, num_outputs)
    nn.init.normal_(layer.weight, std=math.sqrt(gain / num_inputs))
    nn.init.zeros_(layer.bias)
    return layer


@model("mlp")
def mlp(
    schema: Schema,
    *,
    width: Annotated[int, Option("units of each hidden layer", "units", minimum=1)] = 128,
    depth: Annotated[int, Option("hidden layers", "layers", minimum=0)] = 2,
    activation: Annotated[Activation, Option("the non-linearity between layers")] = "relu",
    dropout: Annotated[
        float, Option("probability of setting a hidden unit to 0 in training", minimum=0, below=1)
    ] = 0.0,
) -> MLP:
    """A multilayer perceptron for tables, and for images taken as long vectors."""
    require_predictable(schema, "mlp")
    return MLP(
        num_inputs=math.prod(schema.input_shape),
        num_outputs=schema.num_outputs,
        hidden=[width] * depth,
        activation=activation,
        dropout=dropout,
    )

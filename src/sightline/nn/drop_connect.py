"""DropConnect: dropout of weights instead of units."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.fx import Proxy

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.stochastic_depth import checked_probability


class DropConnect(nn.Linear):
    """A linear layer that loses weights in training: y = (M ∘ W) x + m ∘ b, M and m ~ Bernoulli(1 − p).

    Every example has a mask of its own, over weights and biases. In evaluation the mean weights,
    y = (1 − p)(W x + b). Before a non-linearity φ that is not the mean of training, since E[φ(y)] ≠ φ(E[y]);
    Wan et al. draw y at test time from the normal distribution with the moments of :meth:`moments` and average φ.

    Cost: training holds batch × num_outputs × num_inputs masks.

    Shapes:
        x (batch, num_inputs) → (batch, num_outputs)

    Args:
        num_inputs: numbers in an example.
        num_outputs: units.
        drop_probability: p, the probability that a weight is dropped, in [0, 1). (The paper's p is the
            probability of keeping it.)
        bias: whether units have one.

    Raises:
        ConfigurationError: for a probability outside [0, 1), or a layer without inputs or outputs.
        InputError: when called with other than one row an example: which numbers share a mask would not be said.

    Source: Wan et al. 2013, "Regularization of Neural Networks using DropConnect", §3

    Lecture: O7

    Example:
        >>> layer = DropConnect(num_inputs=2, num_outputs=1, drop_probability=0.5)
        >>> _ = layer.weight.data.fill_(1), layer.bias.data.fill_(0)
        >>> layer.eval()(torch.tensor([[2.0, 4.0]])).item()
        3.0
        >>> layer.moments(torch.tensor([[2.0, 4.0]])).variance.item()
        5.0
    """

    def __init__(self, *, num_inputs: int, num_outputs: int, drop_probability: float = 0.5, bias: bool = True) -> None:
        if num_inputs < 1 or num_outputs < 1:
            raise ConfigurationError(
                expected="num_inputs and num_outputs of at least 1",
                found=f"{num_inputs} and {num_outputs}",
                do="count the numbers that come in and the units",
            )
        super().__init__(num_inputs, num_outputs, bias=bias)
        self.drop_probability = checked_probability(drop_probability, "drop_probability")

    def forward(self, input: Float[Tensor, "batch num_inputs"]) -> Float[Tensor, "batch num_outputs"]:  # noqa: A002
        """Of masked weights in training, of mean weights in evaluation."""
        _require_rows(input)
        keep = 1 - self.drop_probability
        if not self.training:
            return F.linear(input, self.weight, self.bias) * keep
        masks = self.weight.new_empty(len(input), *self.weight.shape).bernoulli_(keep)
        outputs = ((masks * self.weight) @ input[:, :, None])[:, :, 0]
        if self.bias is None:
            return outputs
        return outputs + self.bias * torch.empty_like(outputs).bernoulli_(keep)

    def moments(self, x: Float[Tensor, "batch num_inputs"]) -> "torch.distributions.Normal":
        """The normal distribution with the mean and variance of the outputs over all masks.

        Mean (1 − p)(W x + b), variance p(1 − p)(W² x² + b²), squares entry by entry.

        Shapes:
            x (batch, num_inputs) → mean and variance (batch, num_outputs)

        Raises:
            ConfigurationError: where p = 0: there is one mask only, and no variance.
            InputError: as the layer.

        Source: Wan et al. 2013, §3.1
        """
        _require_rows(x)
        p = self.drop_probability
        if p == 0:
            raise ConfigurationError(
                expected="drop_probability above 0", found="0: every mask keeps every weight", do="call the layer"
            )
        squared_bias = None if self.bias is None else self.bias.square()
        mean = (1 - p) * F.linear(x, self.weight, self.bias)
        variance = p * (1 - p) * F.linear(x.square(), self.weight.square(), squared_bias)
        return torch.distributions.Normal(mean, variance.sqrt(), validate_args=False)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"{super().extra_repr()}, drop_probability={self.drop_probability}"


def _require_rows(x: Tensor) -> None:
    if not isinstance(x, Proxy) and x.dim() != 2:  # a symbolic trace has no axes to count
        raise InputError(
            expected="one row an example: (batch, num_inputs)",
            found=f"shape {tuple(x.shape)}",
            do="x.flatten(0, -2) makes every row an example with a mask of its own",
        )

"""Time, as a network is told it: one number becomes a clock of sinusoids, then two linear maps.

Legend: t time, D width of the clock, ω frequency in radians a step.
"""

from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.positions import BASE, angle_format, frequencies, require_frequencies, sinusoids


class TimeEmbedding(nn.Module):
    """c = W₂ SiLU(W₁ [sin ω_0 t, cos ω_0 t, …] + b₁) + b₂, ω_i = base^(−2i/D).

    Near times have near clocks, so what is learned of one serves its neighbours. Angles are computed in float32, or
    in float64 for weights of that format.

    Shapes:
        t (batch) → (batch, num_outputs)

    Args:
        width: D, even.
        num_outputs: numbers of c.
        base: the lowest frequency is about 1/base.

    Raises:
        ConfigurationError: for an odd width, no output, or a base that is not above 1.

    Source: sinusoids Vaswani et al. 2017, "Attention Is All You Need", §3.5; of diffusion's time Ho et al. 2020,
        "Denoising Diffusion Probabilistic Models", appendix B

    Lecture: X6

    Example:
        >>> import torch
        >>> TimeEmbedding(width=8, num_outputs=32)(torch.tensor([1, 500, 1000])).shape
        torch.Size([3, 32])
    """

    def __init__(self, *, width: int, num_outputs: int, base: float = BASE) -> None:
        super().__init__()
        require_frequencies(width, base)
        if num_outputs < 1:
            raise ConfigurationError(
                expected="at least 1 output", found=f"num_outputs = {num_outputs}", do="use four times the width"
            )
        self.width, self.base = width, base
        self.first = nn.Linear(width, num_outputs)
        self.second = nn.Linear(num_outputs, num_outputs)

    def forward(self, t: Int[Tensor, " batch"] | Float[Tensor, " batch"]) -> Float[Tensor, "batch num_outputs"]:
        """c of each time."""
        weight = self.first.weight
        omega = frequencies(self.width, base=self.base, dtype=angle_format(weight), device=weight.device)
        clock = sinusoids(t.to(weight.device), omega).to(weight.dtype)
        embedded: Tensor = self.second(nn.functional.silu(self.first(clock)))
        return embedded

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"width={self.width}, base={self.base:g}"

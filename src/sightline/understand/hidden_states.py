"""Contextual features: what the layers of a network on text make of each token, mixed over layers, pooled over tokens.

Legend: h_0 embeddings, h_l outputs of block l, L blocks, B texts, N tokens, D width.
"""

from collections.abc import Callable, Sequence
from numbers import Integral

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError, near
from sightline.core.kinds import a_kind, require_kind
from sightline.core.words import one_of

States = Sequence[Float[Tensor, "batch num_tokens width"]]

STATES = "hidden states (batch, num_tokens, width), one tensor a layer"


def layer(states: States, number: int) -> Float[Tensor, "batch num_tokens width"]:
    """One layer: h_number.

    Args:
        states: h_0 … h_L.
        number: 0 for the embeddings, L for the last block; −1 for the last, −2 for the one before it.

    Raises:
        ConfigurationError: for a layer that there is not.

    Lecture: W4

    Example:
        >>> layer([torch.zeros(1, 2, 3), torch.ones(1, 2, 3)], -2).sum()
        tensor(0.)
    """
    if not -len(states) <= number < len(states):
        raise ConfigurationError(
            expected=f"a layer from 0 (the embeddings) to {len(states) - 1} (the last block), or from the end with −1",
            found=f"layer {number}",
            do="name one of them",
        )
    return states[number]


def sum_of_blocks(states: States) -> Float[Tensor, "batch num_tokens width"]:
    """Σ_l h_l over all blocks, the embeddings left out.

    Source: Devlin et al. 2019, "BERT", table 7

    Lecture: W4

    Example:
        >>> float(sum_of_blocks([torch.full((1, 1, 1), v) for v in (100.0, 2.0, 3.0)]))
        5.0
    """
    return torch.stack(list(_blocks(states))).sum(0)


def mean_of_blocks(states: States) -> Float[Tensor, "batch num_tokens width"]:
    """1/L·Σ_l h_l over all blocks, the embeddings left out.

    Lecture: W4

    Example:
        >>> float(mean_of_blocks([torch.full((1, 1, 1), v) for v in (100.0, 2.0, 3.0)]))
        2.5
    """
    return torch.stack(list(_blocks(states))).mean(0)


def mean_of_last(states: States, count: int = 4) -> Float[Tensor, "batch num_tokens width"]:
    """1/k·Σ h_l over the last k blocks.

    Args:
        states: h_0 … h_L.
        count: k.

    Raises:
        ConfigurationError: where there are fewer blocks.

    Lecture: W4

    Example:
        >>> float(mean_of_last([torch.full((1, 1, 1), v) for v in (100.0, 2.0, 3.0, 4.0)], 2))
        3.5
    """
    return torch.stack(list(_last(states, count))).mean(0)


def concatenation_of_last(states: States, count: int = 4) -> Float[Tensor, "batch num_tokens several_widths"]:
    """[h_{L−k+1}, …, h_L]: the last k blocks side by side, the last one at the end.

    Shapes:
        (batch, num_tokens, width) each → (batch, num_tokens, k·width)

    Args:
        states: h_0 … h_L.
        count: k.

    Raises:
        ConfigurationError: where there are fewer blocks.

    Source: Devlin et al. 2019, "BERT", table 7

    Lecture: W4

    Example:
        >>> concatenation_of_last([torch.full((1, 1, 1), v) for v in (100.0, 2.0, 3.0)], 2).tolist()
        [[[2.0, 3.0]]]
    """
    return torch.cat(list(_last(states, count)), -1)


class WeightedMix(nn.Module):
    """γ·Σ_l softmax(w)_l·h_l with learned w and γ, the embeddings included: the mix that ELMo learns for a task.

    At first all weights are equal and γ is 1.

    Shapes:
        layers + 1 tensors (batch, num_tokens, width) → (batch, num_tokens, width)

    Args:
        num_states: L + 1.

    Source: Peters et al. 2018, "Deep Contextualized Word Representations", eq. (1)

    Lecture: W4

    Example:
        >>> mix = WeightedMix(num_states=2)
        >>> mix([torch.zeros(1, 1, 1), torch.ones(1, 1, 1)]).item()
        0.5
    """

    def __init__(self, *, num_states: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(num_states))
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, states: States) -> Float[Tensor, "batch num_tokens width"]:
        """The mix.

        Raises:
            InputError: for another number of layers than there are weights.
        """
        if len(states) != len(self.weights):
            raise InputError(
                expected=f"{len(self.weights)} hidden states, a weight each",
                found=str(len(states)),
                do="build the mix for num_states = blocks + 1",
            )
        shares = self.weights.softmax(0)
        mixed: Tensor = self.factor * torch.stack([s * h for s, h in zip(shares, states, strict=True)]).sum(0)
        return mixed


MIXES: dict[str, Callable[[States], Tensor]] = {
    "last": lambda states: layer(states, -1),
    "second-to-last": lambda states: layer(states, -2),
    "sum": sum_of_blocks,
    "mean": mean_of_blocks,
    "last-four": mean_of_last,
    "last-four-concatenated": concatenation_of_last,
}
"""Mixes of layers by name."""


def mix_layers(states: States, mix: str | int) -> Float[Tensor, "batch num_tokens mixed_width"]:
    """One of :data:`MIXES`, or the layer of a number.

    Args:
        states: h_0 … h_L.
        mix: a name, or a number (also in digits): 0 for the embeddings, −1 for the last block.

    Raises:
        ConfigurationError: for a name or a layer that there is not, or too few blocks for the mix.

    Lecture: W4

    Example:
        >>> states = [torch.full((1, 1, 1), v) for v in (1.0, 2.0, 3.0)]
        >>> float(mix_layers(states, "sum")), float(mix_layers(states, "1"))
        (5.0, 2.0)
    """
    require_kind(mix, (str, Integral), "mix", "use 'last', or the number of a layer")
    require_kind(states, (list, tuple), "states", "give model.hidden_states(tokens)", expected=STATES, error=InputError)
    for state in states:
        require_kind(state, Tensor, "states", "give model.hidden_states(tokens)", expected=STATES, error=InputError)
    try:
        return layer(states, int(mix))
    except ValueError:
        pass
    if mix not in MIXES:
        raise ConfigurationError(
            expected=f"layers: {', '.join(MIXES)}, or a layer's number", found=repr(mix), do=near(str(mix), MIXES)
        )
    return MIXES[str(mix)](states)


POOLINGS = ("first", "mean", "max", "last")
"""How tokens become one vector."""


def pool_tokens(
    tokens: Float[Tensor, "batch num_tokens width"],
    present: Bool[Tensor, "batch num_tokens"] | None = None,
    *,
    pool: str = "mean",
) -> Float[Tensor, "batch width"]:
    """One vector a text, from its present tokens: the first ([CLS] of BERT), their mean, their maximum, or the last.

    Args:
        tokens: of several texts.
        present: true where a token is text; none: everywhere.
        pool: "first", "mean", "max" or "last".

    Raises:
        ConfigurationError: for another word.
        InputError: for a text without any token.

    Lecture: W4

    Example:
        >>> x = torch.tensor([[[1.0], [3.0], [9.0]]])
        >>> float(pool_tokens(x, torch.tensor([[True, True, False]]), pool="mean"))
        2.0
    """
    one_of(pool, POOLINGS, "pool")
    if not isinstance(tokens, Tensor) or tokens.ndim != 3:
        raise InputError(
            expected="a tensor (batch, num_tokens, width)",
            found=f"shape {tuple(tokens.shape)}" if isinstance(tokens, Tensor) else a_kind(tokens),
            do="give one layer of the hidden states",
        )
    if present is None:
        present = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    if not isinstance(present, Tensor) or present.dtype != torch.bool:
        raise InputError(
            expected="present as a tensor of true and false",
            found=str(present.dtype) if isinstance(present, Tensor) else a_kind(present),
            do="give present.bool(), true where a token is text",
        )
    if present.shape != tokens.shape[:2] or not bool(present.any(1).all()):
        raise InputError(
            expected="at least one present token in each text",
            found=f"tokens of shape {tuple(tokens.shape)}, present of shape {tuple(present.shape)}"
            if present.shape != tokens.shape[:2]
            else f"none in text {int((~present.any(1)).nonzero()[0])}",
            do="leave empty texts out",
        )
    if pool == "mean":
        # filling may hold anything, NaN too: it is put to 0, not multiplied by it
        return tokens.masked_fill(~present[..., None], 0).sum(1) / present.sum(1, keepdim=True).to(tokens.dtype)
    if pool == "max":
        return tokens.masked_fill(~present[..., None], -torch.inf).amax(1)
    places = torch.arange(tokens.shape[1], device=tokens.device).expand_as(present)
    # argmax gives any of several maxima, so the places themselves are compared
    edge = places.masked_fill(~present, tokens.shape[1]).amin(1)
    if pool == "last":
        edge = places.masked_fill(~present, -1).amax(1)
    return tokens[torch.arange(len(tokens), device=tokens.device), edge]


def _blocks(states: States) -> States:
    return _last(states, max(1, len(states) - 1))


def _last(states: States, count: int) -> States:
    if not 1 <= count < len(states):
        raise ConfigurationError(
            expected=f"a network of at least {max(count, 1)} blocks",
            found=f"{len(states) - 1}",
            do="use 'last', 'sum' or a layer's number instead",
        )
    return states[-count:]

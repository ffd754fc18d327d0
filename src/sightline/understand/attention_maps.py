"""Attention maps: who looks at whom in every attention of a network, and in numbers what each head does.

Legend: w_ij the weight of token j for token i, H heads, N tokens that ask, M tokens that are asked.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import isnan, nan
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.kinds import require_kind
from sightline.nn.attention import Attention
from sightline.understand.layer_table import aligned
from sightline.understand.module_names import evaluating


@dataclass(frozen=True)
class AttentionMap:
    """The weights of one attention, for one input.

    Attributes:
        layer: the module's name; one that is used several times has a map for each.
        weights: (heads, num_tokens, num_keys); rows sum to 1.
        crosses: whether the tokens that are asked are another sequence's.
        causal: whether it was asked to look at no later token; a mask may say so too.
    """

    layer: str
    weights: Float[Tensor, "heads num_tokens num_keys"]
    crosses: bool = False
    causal: bool = False


@dataclass(frozen=True)
class HeadFigures:
    """What one head does, as means over the tokens that ask.

    Attributes:
        layer: the module's name.
        head: its number, from 0.
        entropy: −Σ_j w_ij ln w_ij, in nats: 0 where it looks at one token, ln M where at all alike.
        distance: Σ_j w_ij |i − j|, in tokens; NaN in cross-attention.
        first: w_i1, the share of the first token.
        itself: w_ii, the share of the token that asks; NaN in cross-attention.
        previous: w_i,i−1, over tokens that have a token before them; NaN in cross-attention, and for one token.
    """

    layer: str
    head: int
    entropy: float
    distance: float
    first: float
    itself: float
    previous: float


@dataclass(frozen=True)
class AttentionMaps:
    """Every attention's map, in order of use; ``str()`` is a table of heads."""

    maps: tuple[AttentionMap, ...]

    @property
    def heads(self) -> tuple[HeadFigures, ...]:
        """Every head's figures, layer by layer."""
        return tuple(figures for one in self.maps for figures in head_figures(one))

    def __str__(self) -> str:
        """Columns aligned."""
        cells: list[tuple[str, ...]] = [("layer", "head", "entropy", "distance", "first", "itself", "previous")]
        for f in self.heads:
            shares = (f.first, f.itself, f.previous)
            numbers = [
                "" if isnan(f.distance) else f"{f.distance:.1f}",
                *("" if isnan(s) else f"{s:.0%}" for s in shares),
            ]
            cells.append((f.layer, str(f.head), f"{f.entropy:.2f}", *numbers))
        return aligned(cells, left=1)


def attention_maps(model: nn.Module, *inputs: Any, **options: Any) -> AttentionMaps:
    """The weights of every :class:`~sightline.nn.attention.Attention` inside any network, for one input.

    It costs a forward pass in evaluation mode without gradients and, for each attention, its queries and keys once
    more with their product; all weights are kept, Σ H·N·M numbers. The network is as before after.

    Args:
        model: any module.
        inputs: for the network, a batch of one example without filling.
        options: for the network, by name.

    Raises:
        ConfigurationError: for a network without such attention, or one called with a cache.
        InputError: for a batch of several examples.

    Lecture: T1

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(Attention(width=8, num_heads=2), Attention(width=8, num_heads=4))
        >>> [tuple(m.weights.shape) for m in attention_maps(network, torch.randn(1, 5, 8)).maps]
        [(2, 5, 5), (4, 5, 5)]
    """
    require_kind(model, nn.Module, "model", "give the network itself", expected="a network", error=InputError)
    if not inputs and not options:
        raise InputError(expected="an input for the network", found="none", do="give the tokens of one text")
    with evaluating(model), recording_attention(model) as found:
        model(*inputs, **options)
    for one in found:
        if one.weights.shape[0] != 1:
            raise InputError(
                expected="one example", found=f"a batch of {one.weights.shape[0]}", do="give them one by one"
            )
    return AttentionMaps(tuple(AttentionMap(one.layer, one.weights[0], one.crosses, one.causal) for one in found))


@dataclass(frozen=True)
class RecordedAttention:
    """The weights of one attention, for a batch.

    Attributes:
        layer: the module's name.
        weights: (batch, heads, num_tokens, num_keys).
        crosses: whether the tokens that are asked are another sequence's.
        causal: whether it was asked to look at no later token; a mask may say so too.
    """

    layer: str
    weights: Float[Tensor, "batch heads num_tokens num_keys"]
    crosses: bool
    causal: bool


@contextmanager
def recording_attention(model: nn.Module) -> Iterator[list[RecordedAttention]]:
    """While it is open, every forward pass leaves its attention weights in the list, in order of use.

    Each attention is asked for its weights with the very arguments of its forward pass, so masks, biases and turned
    queries are in them; dropout is not. The cost is that of :func:`attention_maps`.

    Raises:
        ConfigurationError: for a network without such attention; from the forward pass, where it uses a cache.

    Lecture: T1

    Example:
        >>> network = nn.Sequential(Attention(width=8, num_heads=2))
        >>> with recording_attention(network) as found:
        ...     _ = network(torch.zeros(3, 5, 8))
        >>> found[0].layer, found[0].weights[2, 1, 4].tolist()
        ('0', [0.2..., 0.2..., 0.2..., 0.2..., 0.2...])
    """
    attentions = {name: m for name, m in model.named_modules() if isinstance(m, Attention)}
    if not attentions:
        raise ConfigurationError(
            expected="a network with sightline.nn.Attention",
            found=f"{type(model).__name__} without any",
            do="build it from sightline.nn.TransformerBlock or Attention",
        )
    found: list[RecordedAttention] = []
    with ExitStack() as stack:
        for name, module in attentions.items():
            hook = module.register_forward_pre_hook(partial(_record, found, name), with_kwargs=True)
            stack.callback(hook.remove)
        yield found


def _record(
    found: list[RecordedAttention], name: str, module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]
) -> None:
    assert isinstance(module, Attention)
    if options.get("cache") is not None:
        raise ConfigurationError(
            expected="attention without a cache, whose weights can be asked for",
            found=f"a cache in {name or 'the network'}",
            do="call the network on all tokens at once, without cache=",
        )
    with torch.no_grad():
        weights = module.weights(*inputs, **options).float()
    found.append(RecordedAttention(name, weights, module.crosses, bool(options.get("causal", False))))


def head_figures(one: AttentionMap) -> Sequence[HeadFigures]:
    """What each head of an attention does; see :class:`HeadFigures`.

    Lecture: T1

    Example:
        >>> looks_back = torch.tensor([[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> head_figures(AttentionMap("a", looks_back))[0].previous
        1.0
    """
    weights = one.weights.double()
    heads, num_tokens, num_keys = weights.shape
    entropy = torch.special.entr(weights).sum(2).mean(1)
    distance = itself = previous = torch.full((heads,), nan)
    if not one.crosses:
        # the tokens that ask are the last ones of those that are asked
        places = torch.arange(num_keys - num_tokens, num_keys, device=weights.device)
        apart = (places[:, None] - torch.arange(num_keys, device=weights.device)).abs()
        distance = (weights * apart).sum(2).mean(1)
        itself = weights.gather(2, places.expand(heads, -1)[..., None]).mean((1, 2))
        if bool((places > 0).any()):
            asking = places > 0
            back = (places[asking] - 1).expand(heads, -1)[..., None]
            previous = weights[:, asking].gather(2, back).mean((1, 2))
    columns = (entropy, distance, weights[:, :, 0].mean(1), itself, previous)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [HeadFigures(one.layer, head, *row) for head, row in enumerate(rows)]

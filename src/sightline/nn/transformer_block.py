"""The block of a transformer: mix the tokens, ask another sequence where there is one, then change each token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.words import one_of
from sightline.nn.attention import Attention, Rotate
from sightline.nn.key_value_cache import KeyValueCache
from sightline.nn.stochastic_depth import StochasticDepth, checked_probability

Norm = Literal["layer", "rms"]
Activation = Literal["gelu", "gelu-tanh", "relu", "silu", "gated-gelu", "gated-gelu-tanh", "gated-silu"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
}


@dataclass(frozen=True)
class BlockForm:
    """What the families of transformers do differently in a block of the same size.

    Args:
        norm_first: a norm before each branch; otherwise after each sum.
        norm: "layer", or "rms" without mean and bias.
        activation: φ between the two linear layers; "gated-…" multiplies by a third one's outputs.
        bias: whether linear layers and layer norms have one.
        query_norm: normalise the queries; see :class:`Attention`.
        scale: factor of the attention's scores; none: 1/√(head width).
        eps: ε of the norms.

    Raises:
        ConfigurationError: for a norm or an activation that there is not.

    Lecture: T4

    Example:
        >>> BlockForm(norm_first=False, eps=1e-12).norm
        'layer'
    """

    norm_first: bool = True
    norm: Norm = "layer"
    activation: Activation = "gelu"
    bias: bool = True
    query_norm: bool = False
    scale: float | None = None
    eps: float = 1e-6

    def __post_init__(self) -> None:
        one_of(self.norm, get_args(Norm), "norm")
        one_of(self.activation, get_args(Activation), "activation")

    def make_norm(self, width: int) -> nn.Module:
        """A norm of tokens."""
        if self.norm == "rms":
            return nn.RMSNorm(width, eps=self.eps)
        return nn.LayerNorm(width, eps=self.eps, bias=self.bias)

    def activate(self, hidden: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """φ, without the gate."""
        return _ACTIVATIONS[self.activation.removeprefix("gated-")](hidden)


class TransformerBlock(nn.Module):
    """z = x + drop(attention(norm(x))), y = z + drop(W₂ φ(W₁ norm(z))): mix the tokens, then change each.

    With ``cross``, u = z + drop(cross-attention(norm(z), context)) stands between the two. With the form's
    ``norm_first`` false a norm follows each sum instead: z = norm(x + drop(attention(x))). A gated activation
    is φ(W₁ x) ⊙ (W_g x). Dropout follows each branch, and φ with a probability of its own; attention weights have
    theirs. Biases are left out of the formulas.

    Shapes:
        tokens (batch, num_tokens, width) → the same

    Args:
        width: numbers in a token.
        num_heads: heads of the attention, a divisor of the width.
        mlp_width: hidden units of the last branch; usually 4 times the width.
        num_kv_heads: heads of keys and values; none: as many as heads.
        head_width: width of a head; none: width over heads.
        context_width: width of the context's tokens, where the block asks one; none: it has no cross-attention.
        form: norms, activation and biases.
        dropout: probability of setting a number to 0 at the end of a branch in training, in [0, 1).
        hidden_dropout: the same after φ; none: as ``dropout``.
        attention_dropout: the same for an attention weight.
        drop_probability: probability that an example's branch is dropped in training, in [0, 1).

    Raises:
        ConfigurationError: for a width that the heads don't divide, or a probability outside [0, 1).

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3.1 (norm after); Dosovitskiy et al. 2021, "An Image is
        Worth 16x16 Words", eqs. (2)-(3) (norm first); gates Shazeer 2020, "GLU Variants Improve Transformer"

    Lecture: T4, V3

    Example:
        >>> import torch
        >>> TransformerBlock(width=8, num_heads=2, mlp_width=32)(torch.zeros(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        *,
        width: int,
        num_heads: int,
        mlp_width: int,
        num_kv_heads: int | None = None,
        head_width: int | None = None,
        context_width: int | None = None,
        form: BlockForm | None = None,
        dropout: float = 0.0,
        hidden_dropout: float | None = None,
        attention_dropout: float = 0.0,
        drop_probability: float = 0.0,
    ) -> None:
        super().__init__()
        self.form = form = BlockForm() if form is None else form

        def attention(context: int | None) -> Attention:
            return Attention(
                width=width,
                num_heads=num_heads,
                num_kv_heads=num_kv_heads,
                head_width=head_width,
                context_width=context,
                bias=form.bias,
                query_norm=form.query_norm,
                scale=form.scale,
                dropout=attention_dropout,
            )

        self.attention_norm, self.attention = form.make_norm(width), attention(None)
        if context_width is not None:
            self.cross_norm = form.make_norm(width)
            self.cross_attention = attention(context_width)
        self.mlp_norm = form.make_norm(width)
        self.expand = nn.Linear(width, mlp_width, bias=form.bias)
        gated = form.activation.startswith("gated-")
        self.gate = nn.Linear(width, mlp_width, bias=form.bias) if gated else None
        self.contract = nn.Linear(mlp_width, width, bias=form.bias)
        self.dropout = nn.Dropout(checked_probability(dropout, "dropout"))
        hidden = dropout if hidden_dropout is None else checked_probability(hidden_dropout, "hidden_dropout")
        self.hidden_dropout = nn.Dropout(hidden)
        self.drop = StochasticDepth(drop_probability=drop_probability)

    @property
    def crosses(self) -> bool:
        """Whether the block asks a context."""
        return hasattr(self, "cross_attention")

    def forward(
        self,
        tokens: Float[Tensor, "batch num_tokens width"],
        *,
        mask: Bool[Tensor, "#batch #heads #num_tokens num_keys"] | None = None,
        bias: Float[Tensor, "#batch #heads #num_tokens num_keys"] | None = None,
        causal: bool = False,
        rotate: Rotate | None = None,
        cache: KeyValueCache | None = None,
        context: Float[Tensor, "batch num_context context_width"] | None = None,
        context_mask: Bool[Tensor, "#batch #heads #num_tokens num_context"] | None = None,
        context_cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch num_tokens width"]:
        """The changed tokens; see :meth:`Attention.forward` for the arguments, "context" for the cross-attention's."""

        def mix(x: Tensor) -> Tensor:
            mixed: Tensor = self.attention(x, mask=mask, bias=bias, causal=causal, rotate=rotate, cache=cache)
            return mixed

        def ask(x: Tensor) -> Tensor:
            asked: Tensor = self.cross_attention(x, context=context, mask=context_mask, cache=context_cache)
            return asked

        if not self.crosses and (context is not None or context_cache is not None):
            raise ConfigurationError(
                expected="no context: the block has no cross-attention", found="one", do="build it with context_width="
            )
        tokens = self._branch(tokens, self.attention_norm, mix)
        if self.crosses:
            tokens = self._branch(tokens, self.cross_norm, ask)
        return self._branch(tokens, self.mlp_norm, self._mlp)

    def _branch(self, tokens: Tensor, norm: nn.Module, branch: Callable[[Tensor], Tensor]) -> Tensor:
        """The sum of the tokens and a branch, normalised at the one place or the other."""
        if self.form.norm_first:
            changed: Tensor = tokens + self.drop(self.dropout(branch(norm(tokens))))
        else:
            changed = norm(tokens + self.drop(self.dropout(branch(tokens))))
        return changed

    def _mlp(self, tokens: Tensor) -> Tensor:
        hidden = self.form.activate(self.expand(tokens))
        if self.gate is not None:
            hidden = hidden * self.gate(tokens)
        changed: Tensor = self.contract(self.hidden_dropout(hidden))
        return changed

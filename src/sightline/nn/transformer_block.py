"""The block of a transformer encoder, with the norms before the branches."""

from jaxtyping import Float
from torch import Tensor, nn

from sightline.nn.attention import SelfAttention
from sightline.nn.stochastic_depth import StochasticDepth, checked_probability


class TransformerBlock(nn.Module):
    """z = x + drop(attention(LN(x))), y = z + drop(W₂ gelu(W₁ LN(z))): mix the tokens, then change each.

    Dropout follows both linear layers of the second branch and the last one of the first, and acts on the attention
    weights with a probability of its own; biases are left out of the formula.

    Shapes:
        tokens (batch, num_tokens, width) → the same

    Args:
        width: numbers in a token.
        num_heads: heads of the attention, a divisor of the width.
        mlp_width: hidden units of the second branch; usually 4 times the width.
        dropout: probability of setting a number to 0 after a linear layer in training, in [0, 1).
        attention_dropout: the same for an attention weight.
        drop_probability: probability that an example's branch is dropped in training, in [0, 1).
        eps: ε of the two norms.

    Raises:
        ConfigurationError: for a width that the heads don't divide, or a probability outside [0, 1).

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", eqs. (2)-(3) and appendix B.1

    Lecture: V3

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
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        drop_probability: float = 0.0,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.attention = SelfAttention(width=width, num_heads=num_heads, dropout=attention_dropout)
        self.mlp_norm = nn.LayerNorm(width, eps=eps)
        self.expand = nn.Linear(width, mlp_width)
        self.activation = nn.GELU()
        self.contract = nn.Linear(mlp_width, width)
        self.dropout = nn.Dropout(checked_probability(dropout, "dropout"))
        self.drop = StochasticDepth(drop_probability=drop_probability)

    def forward(self, tokens: Float[Tensor, "batch num_tokens width"]) -> Float[Tensor, "batch num_tokens width"]:
        """The changed tokens."""
        tokens = tokens + self.drop(self.dropout(self.attention(self.attention_norm(tokens))))
        hidden = self.dropout(self.activation(self.expand(self.mlp_norm(tokens))))
        changed: Tensor = tokens + self.drop(self.dropout(self.contract(hidden)))
        return changed

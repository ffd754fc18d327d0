"""The head of masked language: which token stands at a place."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.models.text_predictor import tied_head

EPS = 1e-12
"""ε of all norms of a BERT."""


class MaskedLanguageHead(nn.Module):
    """logits = norm(GELU(W x + b)) Eᵀ + c: which token stands at a place, E the token embedding itself.

    Shapes:
        x (..., width) → (..., vocabulary_size)

    Args:
        embedding: E, (vocabulary_size, width).

    Source: Devlin et al. 2019, "BERT", §3.1; the layer before E is the authors' code's

    Lecture: T6

    Example:
        >>> import torch
        >>> MaskedLanguageHead(nn.Embedding(9, 4))(torch.zeros(2, 4)).shape
        torch.Size([2, 9])
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.transform, self.norm = nn.Linear(width, width), nn.LayerNorm(width, eps=EPS)
        self.decoder = tied_head(embedding, bias=True)

    def forward(self, x: Float[Tensor, "... width"]) -> Float[Tensor, "... vocabulary_size"]:
        """The logits."""
        logits: Tensor = self.decoder(self.norm(F.gelu(self.transform(x))))
        return logits

"""Linear attention in its forms: with a product of features for the softmax's exponential, sums over keys are enough.

Legend: B batch, H heads, N queries, M keys, d width of a head, F number of features of φ, w width of a value.

One function in four forms, for queries (B, H, N, d), keys (B, H, M, d) and values (B, H, M, w):
the quadratic one says what it is, the linear one is fast where all keys are looked at, the recurrent one goes token by
token with a state of fixed size, and the chunked one computes the same for many tokens at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import InputError
from sightline.nn.causal_mask import causal_triangle

FeatureMap = Callable[[Tensor], Tensor]
"""φ: the last axis of queries or keys to features that are above 0."""


def elu_features(x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """φ(x) = elu(x) + 1: e^x below 0, x + 1 above.

    Source: Katharopoulos et al. 2020, "Transformers are RNNs", eq. (7)

    Lecture: T5

    Example:
        >>> elu_features(torch.tensor([0.0, 2.0])).tolist()
        [1.0, 3.0]
    """
    return F.elu(x) + 1


def relu_features(x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """φ(x) = relu(x) + 0.001: the small number keeps a query from having no weight at all.

    Source: Choromanski et al. 2021, "Rethinking Attention with Performers", §4 (the ReLU kernel)

    Lecture: T5

    Example:
        >>> relu_features(torch.tensor([-1.0, 2.0])).mul(1000).round().tolist()
        [1.0, 2001.0]
    """
    return F.relu(x) + 1e-3


@dataclass(frozen=True)
class LinearState:
    """All that linear attention keeps of earlier tokens: S = Σ_j φ(k_j) v_jᵀ and z = Σ_j φ(k_j).

    Its size does not grow with the text; a key and value cache's does.

    Shapes:
        products (batch, heads, features, w), sums (batch, heads, features)

    Args:
        products: S.
        sums: z.

    Lecture: T5
    """

    products: Float[Tensor, "batch heads features w"]
    sums: Float[Tensor, "batch heads features"]


def kernel_weights(
    query: Float[Tensor, "batch heads num_tokens d"],
    key: Float[Tensor, "batch heads num_keys d"],
    *,
    features: FeatureMap = elu_features,
    causal: bool = False,
    present: Bool[Tensor, "batch num_keys"] | None = None,
) -> Float[Tensor, "batch heads num_tokens num_keys"]:
    """α_ij = φ(q_i)ᵀφ(k_j) / Σ_l φ(q_i)ᵀφ(k_l), over keys that are present and, if causal, j ≤ i + M − N.

    Where softmax attention has exp(qᵀk/√d) there is φ(q)ᵀφ(k). A token that would look nowhere has weights of 0.

    Args:
        query: of the tokens that ask; the last N of M if causal.
        key: of the tokens that are asked.
        features: φ.
        causal: no token looks at a later one.
        present: true where a key is text; none: everywhere.

    Raises:
        InputError: for causal attention with fewer keys than queries, or where there is no key.

    Source: Katharopoulos et al. 2020, eq. (4)

    Lecture: T5

    Example:
        >>> kernel_weights(torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4), causal=True)[0, 0].tolist()
        [[1.0, 0.0], [0.5, 0.5]]
    """
    kernel = features(query) @ _answering(key, features, present).transpose(-1, -2)
    if causal:
        kernel = kernel * causal_triangle(query.shape[2], key.shape[2], device=query.device)
    return _divided(kernel, kernel.sum(-1, keepdim=True))


def quadratic_attention(
    query: Float[Tensor, "batch heads num_tokens d"],
    key: Float[Tensor, "batch heads num_keys d"],
    value: Float[Tensor, "batch heads num_keys w"],
    *,
    features: FeatureMap = elu_features,
    causal: bool = False,
    present: Bool[Tensor, "batch num_keys"] | None = None,
) -> Float[Tensor, "batch heads num_tokens w"]:
    """y_i = Σ_j α_ij v_j with α of :func:`kernel_weights`: what the others compute, as it is written. O(NM(F + w)).

    Args:
        query: of the tokens that ask; the last N of M if causal.
        key: of the tokens that are asked.
        value: of the tokens that are asked.
        features: φ.
        causal: no token looks at a later one.
        present: true where a key is text; none: everywhere.

    Raises:
        InputError: for causal attention with fewer keys than queries, or none.

    Source: Katharopoulos et al. 2020, eq. (4)

    Lecture: T5

    Example:
        >>> q, k, v = torch.zeros(3, 1, 1, 2, 4).unbind()
        >>> quadratic_attention(q, k, v + 3.0).flatten().tolist()
        [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    """
    return kernel_weights(query, key, features=features, causal=causal, present=present) @ value


def linear_attention(
    query: Float[Tensor, "batch heads num_tokens d"],
    key: Float[Tensor, "batch heads num_keys d"],
    value: Float[Tensor, "batch heads num_keys w"],
    *,
    features: FeatureMap = elu_features,
    present: Bool[Tensor, "batch num_keys"] | None = None,
) -> Float[Tensor, "batch heads num_tokens w"]:
    """y_i = φ(q_i)ᵀ (Σ_j φ(k_j) v_jᵀ) / φ(q_i)ᵀ Σ_j φ(k_j): the same, summed over keys first. O((N + M)Fw).

    Every token looks at every key; for causal attention see :func:`chunked_linear_attention`.

    Args:
        query: of the tokens that ask.
        key: of the tokens that are asked.
        value: of the tokens that are asked.
        features: φ.
        present: true where a key is text; none: everywhere.

    Raises:
        InputError: where there is no key.

    Source: Katharopoulos et al. 2020, eq. (5)-(6)

    Lecture: T5

    Example:
        >>> q, k, v = torch.randn(3, 1, 2, 5, 4).unbind()
        >>> torch.allclose(linear_attention(q, k, v), quadratic_attention(q, k, v), atol=1e-5)
        True
    """
    return _ask(features(query), _gathered(_answering(key, features, present), value))


def recurrent_linear_attention(
    query: Float[Tensor, "batch heads num_tokens d"],
    key: Float[Tensor, "batch heads num_tokens d"],
    value: Float[Tensor, "batch heads num_tokens w"],
    *,
    features: FeatureMap = elu_features,
    state: LinearState | None = None,
    present: Bool[Tensor, "batch num_tokens"] | None = None,
) -> tuple[Float[Tensor, "batch heads num_tokens w"], LinearState]:
    """S ← S + φ(k_i) v_iᵀ, z ← z + φ(k_i), y_i = φ(q_i)ᵀS / φ(q_i)ᵀz: causal, as a recurrent network, token by token.

    Args:
        query: of the new tokens.
        key: of the new tokens.
        value: of the new tokens.
        features: φ.
        state: what earlier tokens left; none: there were none.
        present: true where a new token is text and not filling; none: everywhere.

    Returns:
        What each token gathered, and the state after the last.

    Raises:
        InputError: where there is no token.

    Source: Katharopoulos et al. 2020, eq. (16)-(20)

    Lecture: T5

    Example:
        >>> q, k, v = torch.randn(3, 1, 2, 5, 4).unbind()
        >>> gathered, state = recurrent_linear_attention(q, k, v)
        >>> gathered.shape, state.products.shape
        (torch.Size([1, 2, 5, 4]), torch.Size([1, 2, 4, 4]))
    """
    asked, answering = features(query), _answering(key, features, present)
    rows = []
    for i in range(query.shape[2]):
        state = _added(state, answering[:, :, i : i + 1], value[:, :, i : i + 1])
        rows.append(_ask(asked[:, :, i : i + 1], state))
    assert state is not None
    return torch.cat(rows, 2), state


def chunked_linear_attention(
    query: Float[Tensor, "batch heads num_tokens d"],
    key: Float[Tensor, "batch heads num_tokens d"],
    value: Float[Tensor, "batch heads num_tokens w"],
    *,
    features: FeatureMap = elu_features,
    chunk: int = 64,
    state: LinearState | None = None,
    present: Bool[Tensor, "batch num_tokens"] | None = None,
) -> tuple[Float[Tensor, "batch heads num_tokens w"], LinearState]:
    """Causal linear attention in chunks of C tokens: quadratic within a chunk, a state between them. O(N(C + F)w).

    y_i = (φ(q_i)ᵀ S + Σ_{j ≤ i in the chunk} φ(q_i)ᵀφ(k_j) v_j) / (φ(q_i)ᵀ z + Σ_{j ≤ i in the chunk} φ(q_i)ᵀφ(k_j)),
    S and z of all chunks before. Equal to the recurrent form, with N/C steps instead of N.

    Args:
        query: of the new tokens.
        key: of the new tokens.
        value: of the new tokens.
        features: φ.
        chunk: C, at least 1.
        state: what earlier tokens left; none: there were none.
        present: true where a new token is text and not filling; none: everywhere.

    Returns:
        What each token gathered, and the state after the last.

    Raises:
        InputError: where there is no token, or for a chunk of none.

    Source: Hua et al. 2022, "Transformer Quality in Linear Time", §3.2 (mixed chunks)

    Lecture: T5

    Example:
        >>> q, k, v = torch.randn(3, 1, 2, 5, 4).unbind()
        >>> slow, fast = recurrent_linear_attention(q, k, v)[0], chunked_linear_attention(q, k, v, chunk=2)[0]
        >>> torch.allclose(slow, fast, atol=1e-5)
        True
    """
    if chunk < 1:
        raise InputError(expected="chunks of at least 1 token", found=f"chunk = {chunk}", do="use 64")
    asked, answering = features(query), _answering(key, features, present)
    parts = []
    for start in range(0, query.shape[2], chunk):
        q, k, v = (x[:, :, start : start + chunk] for x in (asked, answering, value))
        kernel = q @ k.transpose(-1, -2) * causal_triangle(q.shape[2], q.shape[2], device=q.device)
        products, sums = kernel @ v, kernel.sum(-1, keepdim=True)
        if state is not None:
            products, sums = products + q @ state.products, sums + q @ state.sums.unsqueeze(-1)
        parts.append(_divided(products, sums))
        state = _added(state, k, v)
    assert state is not None
    return torch.cat(parts, 2), state


def _gathered(answering: Tensor, value: Tensor) -> LinearState:
    return LinearState(answering.transpose(-1, -2) @ value, answering.sum(2))


def _added(state: LinearState | None, answering: Tensor, value: Tensor) -> LinearState:
    new = _gathered(answering, value)
    return new if state is None else LinearState(state.products + new.products, state.sums + new.sums)


def _ask(asked: Tensor, state: LinearState) -> Tensor:
    return _divided(asked @ state.products, asked @ state.sums.unsqueeze(-1))


def _divided(products: Tensor, sums: Tensor) -> Tensor:
    """0 where nothing was there to be looked at, with a gradient of 0 and not of NaN."""
    return products / sums.masked_fill(sums == 0, 1)


def _answering(key: Tensor, features: FeatureMap, present: Tensor | None) -> Tensor:
    """φ of the keys, and 0 for filling."""
    if not key.shape[2]:
        raise InputError(
            expected="keys of at least 1 token",
            found=f"shape {tuple(key.shape)}",
            do="give keys (batch, heads, num_keys, head_width)",
        )
    answering = features(key)
    return answering if present is None else answering * present[:, None, :, None]

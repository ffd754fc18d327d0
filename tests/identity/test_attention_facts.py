"""What attention looks at: fused calls against softmaxes by hand, and these against loops."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.diagnose import Watch
from sightline.diagnose.attention_calls import attentions
from sightline.diagnose.attention_facts import AttentionFacts, attention_facts, of_scores
from sightline.diagnose.tape import Call

LENGTH = 10


def slowly(weights: Tensor, visible: Tensor) -> AttentionFacts:
    """Query by query; of those that may see four keys or more."""
    peaks, entropies, after = [], [], []
    for w, v in zip(
        weights.reshape(-1, LENGTH, LENGTH), visible.expand_as(weights).reshape(-1, LENGTH, LENGTH), strict=True
    ):
        for q in range(LENGTH):
            if q >= LENGTH // 2:
                after.append(float(w[q, q + 1 :].sum()))
            if int(v[q].sum()) > 3:
                peaks.append(float(w[q].max()))
                bits = -sum(p * math.log(p) for p in w[q].tolist() if p > 0)
                entropies.append(bits / math.log(int(v[q].sum())))
    return AttentionFacts(
        LENGTH,
        LENGTH,
        sorted(peaks)[(len(peaks) - 1) // 2],
        sorted(entropies)[(len(entropies) - 1) // 2],
        sum(after) / len(after),
    )


def same(a: AttentionFacts | None, b: AttentionFacts | None) -> None:
    """To 1e-5."""
    assert a is not None
    assert b is not None
    assert (a.queries, a.keys) == (b.queries, b.keys)
    for x, y in ((a.peak, b.peak), (a.entropy, b.entropy), (a.after, b.after)):
        assert x == pytest.approx(y, abs=1e-5)


CAUSAL = torch.ones(LENGTH, LENGTH).tril().bool()
ALL = torch.ones(LENGTH, LENGTH).bool()


@pytest.mark.parametrize("visible", [CAUSAL, ALL], ids=["causal", "all"])
def test_scores_against_loops(visible: Tensor) -> None:
    torch.manual_seed(0)
    scores = (3 * torch.randn(2, 2, LENGTH, LENGTH)).masked_fill(~visible, -math.inf)
    same(of_scores(scores), slowly(scores.softmax(-1), visible))
    same(of_scores(scores.masked_fill(~visible, -1e4)), of_scores(scores))


@pytest.mark.parametrize("scale", [None, 0.7])
def test_fused_attention_against_scores(scale: float | None) -> None:
    torch.manual_seed(1)
    q, k, v = 3 * torch.randn(3, 2, 2, LENGTH, 8)
    scores = q @ k.transpose(-2, -1) * (scale or 1 / math.sqrt(8))
    hidden = scores.masked_fill(~CAUSAL, -math.inf)
    name = "scaled_dot_product_attention"
    same(attention_facts(name, (q, k, v), {"is_causal": True, "scale": scale}), of_scores(hidden))
    same(attention_facts(name, (q, k, v, CAUSAL), {"scale": scale}), of_scores(hidden))
    added = torch.zeros(2, 2, LENGTH, LENGTH).masked_fill(~CAUSAL, -math.inf)
    same(attention_facts(name, (q, k), {"value": v, "attn_mask": added, "scale": scale}), of_scores(hidden))
    same(attention_facts(name, (q, k, v), {"scale": scale}), of_scores(scores))
    same(
        attention_facts(name, (q, k[:, :1], v[:, :1]), {"enable_gqa": True}),
        attention_facts(name, (q, k[:, [0, 0]], v), {}),
    )


def watched(run: Callable[[], object], model: nn.Module) -> list[Call]:
    """Attention in a loop that calls a network first."""
    with Watch(model) as w:
        run()
    return attentions(w.record.looks[0].tape)


@pytest.mark.parametrize("hidden", ["nothing", "later", "later, as numbers", "padding"])
def test_torchs_layer_against_its_own_weights(hidden: str) -> None:
    torch.manual_seed(2)
    layer = nn.MultiheadAttention(12, 2, batch_first=True)
    nn.init.normal_(layer.in_proj_weight, std=0.8)
    nn.init.normal_(layer.in_proj_bias)
    x = torch.randn(2, LENGTH, 12)
    mask = padding = None
    visible = ALL
    if hidden.startswith("later"):
        visible, mask = CAUSAL, ~CAUSAL
        mask = torch.zeros(LENGTH, LENGTH).masked_fill(mask, -math.inf) if "numbers" in hidden else mask
    if hidden == "padding":
        padding = torch.zeros(2, LENGTH).bool()
        padding[:, 7:] = True
        visible = ~padding[:, None, None]
    (call,) = watched(lambda: layer(x, x, x, attn_mask=mask, key_padding_mask=padding), layer)
    weights = layer(x, x, x, attn_mask=mask, key_padding_mask=padding, average_attn_weights=False)[1].detach()
    same(call.attention, slowly(weights, visible))


def test_a_layer_with_keys_of_another_width() -> None:
    torch.manual_seed(3)
    layer = nn.MultiheadAttention(8, 2, kdim=5, vdim=6)
    q, k, v = torch.randn(LENGTH, 2, 8), torch.randn(LENGTH, 2, 5), torch.randn(LENGTH, 2, 6)
    (call,) = watched(lambda: layer(q, k, v), layer)
    same(call.attention, slowly(layer(q, k, v, average_attn_weights=False)[1].detach(), ALL))


def test_a_few_heads_and_queries_of_many() -> None:
    torch.manual_seed(4)
    q, k, v = torch.randn(3, 40, 3, 100, 4)
    found = attention_facts("scaled_dot_product_attention", (q, k, v), {"is_causal": True})
    assert found is not None
    assert (found.queries, found.keys, found.after) == (100, 100, 0.0)
    assert attention_facts("scaled_dot_product_attention", (q[..., :1, :], k, v), {}).after is None  # type: ignore[union-attr]


def test_nothing_to_choose_between() -> None:
    assert of_scores(torch.randn(5, 3)) is None
    assert of_scores(torch.full((8, 8), -math.inf).fill_diagonal_(0)) is None
    assert attention_facts("softmax", (torch.randn(4, 8, 8), 1), {}) is None
    assert attention_facts("relu", (torch.randn(4, 8, 8),), {}) is None


class Head(nn.Module):
    """Attention by hand, of which something is done to the weights before the product."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.change = nn.Linear(6, 6), change

    def forward(self, x: Tensor) -> Tensor:
        """A sum of rows."""
        y = self.layer(x)
        return self.change(F.softmax(y @ x.transpose(-2, -1), -1)) @ x


def test_which_softmax_is_attention() -> None:
    torch.manual_seed(5)
    x = torch.randn(2, LENGTH, 6)
    for change, count in (
        (lambda w: w, 1),
        (lambda w: F.dropout(w, 0.1), 1),
        (lambda w: w * CAUSAL, 0),
    ):
        head = Head(change)
        assert len(watched(lambda head=head: head(x), head)) == count  # type: ignore[misc]
    scores = nn.Linear(6, 5)
    assert watched(lambda: F.softmax(scores(x), -1).sum(), scores) == []

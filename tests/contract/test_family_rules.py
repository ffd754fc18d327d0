"""Causes by family of network: for each a small healthy program as people write it, and the same with its fault."""

import copy
import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sightline.diagnose import Findings, Watch

# -- a game ------------------------------------------------------------------------------------------------------------


def game(rate: float = 2e-3, *, noises: int = 48, end: type[nn.Module] = nn.Tanh, steps: int = 80) -> Findings:
    """A generator of points around eight places between −1 and 1, and its judge."""
    places = torch.randn(8, 16).sign()
    maker = nn.Sequential(nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16), end())
    judge = nn.Sequential(nn.Linear(16, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    makes, judges = Adam(maker.parameters(), lr=rate, betas=(0.5, 0.99)), Adam(judge.parameters(), lr=2e-3)
    ones, zeros = torch.ones(48, 1), torch.zeros(48, 1)
    with Watch() as w:
        for _ in range(steps):
            real = (places[torch.randint(8, (48,))] + 0.1 * torch.randn(48, 16)).clamp(-1, 1)
            made = maker(torch.randn(noises, 4).expand(48, 4))
            judges.zero_grad()
            right = F.binary_cross_entropy_with_logits(judge(real), ones)
            (right + F.binary_cross_entropy_with_logits(judge(made.detach()), zeros)).backward()
            judges.step()
            makes.zero_grad()
            F.binary_cross_entropy_with_logits(judge(made), ones).backward()
            makes.step()
    return w.findings()


# -- text --------------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """Attention written by hand, by torch's fused function, or by its layer."""

    def __init__(self, kind: str, *, causal: bool, factor: float) -> None:
        super().__init__()
        self.kind, self.causal, self.factor = kind, causal, factor
        self.norm, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.layer = nn.MultiheadAttention(16, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def attend(self, x: Tensor) -> Tensor:
        """What each place takes from the others."""
        length = x.shape[1]
        later = torch.ones(length, length).triu(1).bool()
        if self.kind == "layer":
            x = x * self.factor
            y: Tensor = self.layer(x, x, x, attn_mask=later if self.causal else None, need_weights=False)[0]
            return y
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        if self.kind == "fused":
            y = F.scaled_dot_product_attention(q * self.factor, k, v, is_causal=self.causal)
        else:
            scores = q @ k.transpose(-2, -1) * (self.factor / math.sqrt(8))
            if self.causal:
                scores = scores.masked_fill(later, float("-inf"))
            y = F.softmax(scores, dim=-1) @ v
        return y.transpose(1, 2).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        """Attention and a network at each place, each added."""
        x = x + self.out(self.attend(self.norm(x)))
        result: Tensor = x + self.mlp(x)
        return result


class Writer(nn.Module):
    """Tells the next token; the loss is inside, as in many small language models, or outside."""

    def __init__(self, kind: str = "by hand", *, causal: bool = True, factor: float = 1.0) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(12, 16), nn.Embedding(16, 16)
        self.blocks = nn.Sequential(*(Block(kind, causal=causal, factor=factor) for _ in range(2)))
        self.head = nn.Linear(16, 12)

    def forward(self, tokens: Tensor, targets: Tensor | None = None) -> Tensor:
        """Scores, or the loss."""
        x = self.blocks(self.tokens(tokens) + self.places(torch.arange(tokens.shape[1])))
        scores: Tensor = self.head(x)
        return scores if targets is None else F.cross_entropy(scores.flatten(0, 1), targets.flatten())


class Listed(Writer):
    """The same with its blocks in a list that the network does not know of."""

    def __init__(self) -> None:
        super().__init__()
        del self.blocks
        self.listed = [Block("by hand", causal=True, factor=1.0) for _ in range(2)]

    def forward(self, tokens: Tensor, targets: Tensor | None = None) -> Tensor:
        """Scores."""
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.listed:
            x = block(x)
        scores: Tensor = self.head(x)
        return scores


class Recurrent(nn.Module):
    """Tells the next token from those read so far, or, read from both ends, from all."""

    def __init__(self, *, both_ways: bool) -> None:
        super().__init__()
        self.tokens, self.lstm = nn.Embedding(12, 16), nn.LSTM(16, 16, batch_first=True, bidirectional=both_ways)
        self.head = nn.Linear(32 if both_ways else 16, 12)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores."""
        scores: Tensor = self.head(self.lstm(self.tokens(tokens))[0])
        return scores


def text(rows: int, length: int = 17) -> Tensor:
    """A walk around 11 tokens, mostly one step on; token 0 in one place of four."""
    steps = torch.where(torch.rand(rows, length) < 0.8, 1, torch.randint(0, 11, (rows, length)))
    walk = steps.cumsum(1) % 11 + 1
    return walk.masked_fill(torch.rand(rows, length) < 0.25, 0)


def writing(
    network: Callable[[], nn.Module] = Writer,
    *,
    inside: bool = False,
    scrambled: bool = False,
    cut: bool = False,
    rate: float = 0.01,
    steps: int = 40,
) -> Findings:
    """Train on text. ``cut``: the network is given the whole and its last answer is left out."""
    model = network()
    adam = Adam(model.parameters(), lr=rate)
    data = text(64)
    with Watch() as w:
        for _ in range(steps):
            whole = data[torch.randperm(64)[:16]]
            x, y = whole[:, :-1], whole[:, 1:]
            if scrambled:
                y = y[torch.randperm(16)][:, torch.randperm(16)]
            if inside:
                loss = model(x, y)
            elif cut:
                loss = F.cross_entropy(model(x)[:, :-1].reshape(-1, 12), x[:, 1:].reshape(-1))
            else:
                loss = F.cross_entropy(model(x).flatten(0, 1), y.reshape(-1))
            adam.zero_grad()
            loss.backward()
            adam.step()
    return w.findings()


# -- graphs ------------------------------------------------------------------------------------------------------------


class GraphNetwork(nn.Module):
    """Rounds of messages: an average over neighbours, a layer, and a ReLU."""

    def __init__(self, rounds: int, *, kept: bool = False, edges: bool = False) -> None:
        super().__init__()
        self.kept, self.edges = kept, edges
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 3)
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(rounds))

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """Scores of the nodes."""
        h = start = F.relu(self.first(x))
        for layer in self.layers:
            if self.edges:
                source, target = graph.nonzero(as_tuple=True)
                h = torch.zeros_like(h).index_add_(0, target, h[source] * graph[source, target][:, None])
            else:
                h = graph @ h
            h = F.relu(layer(h))
            h = h + start if self.kept else h
        scores: Tensor = self.last(h)
        return scores


def graph_of_groups(nodes: int = 90) -> tuple[Tensor, Tensor, Tensor]:
    """Features, D^−½ (A + I) D^−½, and the group of each node; most edges lie within a group."""
    y = torch.arange(nodes) % 3
    same = y[:, None] == y
    edges = (torch.rand(nodes, nodes) < torch.where(same, 0.15, 0.03)).triu(1).float()
    a = edges + edges.T + torch.eye(nodes)
    scale = a.sum(1).rsqrt()
    x = torch.randn(nodes, 8) + 0.7 * F.one_hot(y, 8)
    return x, scale[:, None] * a * scale, y


def nodes(rounds: int = 2, *, kept: bool = False, edges: bool = False, sparse: bool = False) -> Findings:
    """Tell the nodes' groups."""
    x, graph, y = graph_of_groups()
    network = GraphNetwork(rounds, kept=kept, edges=edges)
    adam = Adam(network.parameters(), lr=5e-3)
    graph = graph.to_sparse() if sparse else graph
    with Watch() as w:
        for _ in range(50):
            adam.zero_grad()
            F.cross_entropy(network(x, graph)[:60], y[:60]).backward()
            adam.step()
    return w.findings()


# -- pairs -------------------------------------------------------------------------------------------------------------


def encoder() -> nn.Sequential:
    """Of points to embeddings."""
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))


def views(count: int = 32) -> tuple[Tensor, Tensor]:
    """Two noisy looks at each of some points."""
    x = torch.randn(count, 8)
    return x + 0.2 * torch.randn(count, 8), x + 0.2 * torch.randn(count, 8)


def contrast(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """InfoNCE: each embedding tells its partner from the others."""
    scores = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    return F.cross_entropy(scores, torch.arange(len(a)))


def pairs(*, temperature: float = 0.2, pulled: float = 0.0) -> Findings:
    """Contrastive training; ``pulled``: how much all embeddings are drawn to one place besides."""
    network = encoder()
    adam = Adam(network.parameters(), lr=5e-3)
    middle = torch.ones(8)
    with Watch() as w:
        for _ in range(60):
            a, b = (network(v) for v in views())
            loss = contrast(a, b, temperature) + pulled * ((a - middle).square().mean() + (b - middle).square().mean())
            adam.zero_grad()
            loss.backward()
            adam.step()
    return w.findings()


def without_negatives(*, stopped: bool) -> Findings:
    """Two views that are to agree: a predictor, and no gradient through the other branch, or neither."""
    network, predictor = encoder(), nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
    adam = Adam([*network.parameters(), *predictor.parameters()], lr=5e-3)
    with Watch() as w:
        for _ in range(80):
            a, b = (network(v) for v in views())
            if stopped:
                loss = -(F.cosine_similarity(predictor(a), b.detach()) + F.cosine_similarity(predictor(b), a.detach()))
            else:
                loss = -F.cosine_similarity(a, b)
            adam.zero_grad()
            loss.mean().backward()
            adam.step()
    return w.findings()


# -- weights that are kept ---------------------------------------------------------------------------------------------


def blobs(count: int, *, turned: bool = False) -> tuple[Tensor, Tensor]:
    """Points of three kinds; ``turned``: which kind is where is another."""
    y = torch.arange(count) % 3
    angle = y * (2 * math.pi / 3)
    x = 1.5 * torch.stack([angle.cos(), angle.sin()], 1) + 0.5 * torch.randn(count, 2)
    return x, (y + turned) % 3


def fine_tuned(rate: float) -> Findings:
    """A network that knows the task goes on with it, at another rate."""
    network = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3))
    x, y = blobs(256)
    before = Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        before.zero_grad()
        F.cross_entropy(network(x), y).backward()
        before.step()
    adam = Adam(network.parameters(), lr=rate)
    with Watch(network, adam) as w:
        for _ in range(48):
            a, b = blobs(32)
            adam.zero_grad()
            F.cross_entropy(network(a), b).backward()
            adam.step()
    return w.findings()


def averaged(kind: str, decay: float, *, steps: int = 60, growing: bool = False) -> Findings:
    """A moving average of the weights beside the training, written in one of the usual ways."""
    network = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
    adam = Adam(network.parameters(), lr=0.01)
    held = copy.deepcopy(network)
    shadow = {name: p.detach().clone() for name, p in network.named_parameters()}
    swa = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))
    with Watch() as w:
        for step in range(steps):
            x, y = blobs(32)
            adam.zero_grad()
            F.cross_entropy(network(x), y).backward()
            adam.step()
            d = min(decay, (1 + step) / (10 + step)) if growing else decay
            if kind == "swa_utils":
                swa.update_parameters(network)
            for (name, p), q in zip(network.named_parameters(), held.parameters(), strict=True):
                if kind == "mul_ and add_":
                    q.data.mul_(d).add_(p.data, alpha=1 - d)
                elif kind == "lerp_":
                    q.detach().lerp_(p.detach(), 1 - d)
                elif kind == "shadow":
                    shadow[name] = (1.0 - d) * p.data + d * shadow[name]
    return w.findings()


# -- pictures ----------------------------------------------------------------------------------------------------------


def pictures(*, whole: bool = False) -> Findings:
    """Bright upper or lower halves of bytes; ``whole``: divided by 255 before they are made numbers with fractions."""
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(32, 2))
    adam = Adam(network.parameters(), lr=0.01)
    with Watch() as w:
        for _ in range(40):
            y = torch.arange(32) % 2
            x = torch.randint(0, 180, (32, 1, 12, 12))
            x[y == 0, :, :6] += 70
            x[y == 1, :, 6:] += 70
            x[torch.rand(x.shape) < 0.005] = 255
            x = (x // 255).float() if whole else x.float() / 255
            adam.zero_grad()
            F.cross_entropy(network((x - 0.5) / 0.25), y).backward()
            adam.step()
    return w.findings()


# -- the tests ---------------------------------------------------------------------------------------------------------

HEALTHY: dict[str, Callable[[], Findings]] = {
    "game": game,
    "text, by hand": partial(writing, partial(Writer, "by hand")),
    "text, fused": partial(writing, partial(Writer, "fused"), inside=True),
    "text, layer": partial(writing, partial(Writer, "layer"), cut=True),
    "text, recurrent": partial(writing, partial(Recurrent, both_ways=False)),
    "graph": nodes,
    "deep graph with skips": partial(nodes, 10, kept=True),
    "pairs": pairs,
    "pairs without negatives": partial(without_negatives, stopped=True),
    "fine-tuned": partial(fine_tuned, 1e-3),
    "pictures": pictures,
    "average": partial(averaged, "lerp_", 0.9),
    "growing average": partial(averaged, "mul_ and add_", 0.999, growing=True),
}

FAULTS: list[tuple[str, str, Callable[[], Findings]]] = [
    ("mode-collapse", "generator too fast", partial(game, 0.1)),
    ("mode-collapse", "one noise for all", partial(game, noises=1)),
    ("generator-cannot-reach-data", "sigmoid", partial(game, end=nn.Sigmoid)),
    ("causal-mask-missing", "by hand", partial(writing, partial(Writer, causal=False), inside=True)),
    ("causal-mask-missing", "layer", partial(writing, partial(Writer, "layer", causal=False), cut=True)),
    ("causal-mask-missing", "recurrent", partial(writing, partial(Recurrent, both_ways=True))),
    ("attention-collapse", "fused", partial(writing, partial(Writer, "fused", factor=2000.0))),
    ("attention-collapse", "layer", partial(writing, partial(Writer, "layer", factor=60.0))),
    ("unigram-level", "targets in another order", partial(writing, scrambled=True)),
    ("unregistered-parameters", "blocks in a list", partial(writing, Listed)),
    ("constant-input", "bytes divided as whole numbers", partial(pictures, whole=True)),
    ("over-smoothing", "matrix", partial(nodes, 12)),
    ("over-smoothing", "sparse", partial(nodes, 12, sparse=True)),
    ("over-smoothing", "edges", partial(nodes, 12, edges=True)),
    ("contrastive-collapse", "drawn to one place", partial(pairs, pulled=30.0)),
    ("contrastive-collapse", "no negatives, no predictor", partial(without_negatives, stopped=False)),
    ("forgetting", "rate", partial(fine_tuned, 1.0)),
    ("average-too-slow", "swa_utils", partial(averaged, "swa_utils", 0.999)),
    ("average-too-slow", "lerp_", partial(averaged, "lerp_", 0.999)),
    ("average-too-slow", "mul_ and add_", partial(averaged, "mul_ and add_", 0.99)),
    ("average-too-slow", "shadow", partial(averaged, "shadow", 0.9999)),
]
FAMILY = frozenset(cause for cause, _, _ in FAULTS)


@pytest.mark.parametrize("name", HEALTHY)
def test_of_a_healthy_program_no_cause_of_a_family_is_told(name: str) -> None:
    torch.manual_seed(0)
    found = HEALTHY[name]()
    assert found.trained
    assert not found.alarms, str(found)


@pytest.mark.parametrize(("cause", "run"), [pytest.param(c, run, id=f"{c}: {how}") for c, how, run in FAULTS])
def test_a_fault_of_a_family_is_named(cause: str, run: Callable[[], Findings]) -> None:
    torch.manual_seed(0)
    found = run()
    told = [finding.cause for finding in found.alarms]
    assert cause in told, str(found)
    assert not (FAMILY - {cause}) & set(told), str(found)
    finding = next(f for f in found if f.cause == cause)
    assert all((finding.title, finding.where, finding.why, finding.fix, finding.lecture, *finding.evidence))

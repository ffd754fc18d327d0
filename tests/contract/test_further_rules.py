"""Further forms of known faults: each is told, and beside it a healthy loop that looks like it is not."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal
from torch.optim import SGD, Adam

from sightline.diagnose import Findings, Watch
from small_loops import Batch, Loss, causes, circle, fit, layers, rows_of, titled

# -- samples within a network ------------------------------------------------------------------------------------------


class Coder(nn.Module):
    """A code is drawn and decoded: ``how`` tells by what way."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.encoder, self.head, self.decoder = layers(16, 32), nn.Linear(32, 8), layers(4, 32, 16)

    def forward(self, x: Tensor) -> Tensor:
        """The picture made of the code."""
        mean, spread = self.head(F.relu(self.encoder(x))).chunk(2, 1)
        self.mean, self.spread = mean, spread
        deviation = (spread / 2).exp()
        if self.how == "straight through":
            p = torch.sigmoid(mean)
            code = torch.bernoulli(p.detach()) + p - p.detach()
        elif self.how == "likelihood":
            drawn = Normal(mean, deviation)
            code = drawn.sample()
            self.chosen = drawn.log_prob(code).sum(1)
        elif self.how == "cut off":
            code = Normal(mean, deviation).sample()
        elif self.how == "noise alone":
            code = torch.randn_like(deviation)
        else:
            code = mean + deviation * torch.randn_like(deviation)
        made: Tensor = self.decoder(code)
        return made


def coder_loop(how: str, steps: int = 60) -> Findings:
    """A small autoencoder with a random code."""
    mixing, network = torch.randn(4, 16), Coder(how)
    adam = Adam(network.parameters(), lr=5e-3)
    with Watch() as w:
        for _ in range(steps):
            x = torch.randn(64, 4) @ mixing + 0.1 * torch.randn(64, 16)
            made = network(x)
            loss = F.mse_loss(made, x)
            if how == "likelihood":
                reward = -(made - x).square().mean(1).detach()
                loss = loss - 0.01 * (network.chosen * (reward - reward.mean())).mean()
            elif how in ("usual", "cut off", "noise alone"):
                kl = 1 + network.spread - network.mean.square() - network.spread.exp()
                loss = loss - 1e-3 * kl.sum(1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    return w.findings()


@pytest.mark.parametrize(("how", "cause"), [("cut off", "detached"), ("noise alone", "posterior-collapse")])
def test_a_code_that_knows_nothing_of_the_input(how: str, cause: str) -> None:
    torch.manual_seed(0)
    found = coder_loop(how)
    assert cause in causes(found), str(found)


@pytest.mark.parametrize("how", ["usual", "straight through", "likelihood"])
def test_codes_that_are_drawn_as_they_should_be(how: str) -> None:
    torch.manual_seed(1)
    found = coder_loop(how)
    assert not causes(found) & {"detached", "posterior-collapse"}, str(found)


class Restricted(nn.Module):
    """A restricted Boltzmann machine: units are drawn on purpose, and no gradient goes through."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(0.1 * torch.randn(12, 24))
        self.a, self.b = nn.Parameter(torch.zeros(24)), nn.Parameter(torch.zeros(12))

    def energy(self, v: Tensor) -> Tensor:
        """Free energy."""
        return -(v @ self.a) - F.softplus(F.linear(v, self.w, self.b)).sum(1)

    def forward(self, v: Tensor) -> Tensor:
        """What one round of drawing makes of it."""
        h = torch.bernoulli(torch.sigmoid(F.linear(v, self.w, self.b)))
        return torch.bernoulli(torch.sigmoid(F.linear(h, self.w.t(), self.a)))


def test_a_machine_that_draws_its_units() -> None:
    torch.manual_seed(2)
    machine, patterns = Restricted(), (torch.rand(4, 24) < 0.4).float()
    sgd = SGD(machine.parameters(), lr=0.1)
    with Watch() as w:
        for _ in range(60):
            v = patterns[torch.randint(4, (32,))]
            loss = (machine.energy(v) - machine.energy(machine(v).detach())).mean()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    assert "detached" not in causes(w.findings()), str(w.findings())


class Scheduled(nn.Module):
    """A decoder that is fed what it drew itself, now and then, in place of the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.cell, self.head = nn.Embedding(12, 16), nn.GRUCell(16, 24), nn.Linear(24, 12)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores of what comes next."""
        h, given, scores = torch.zeros(len(tokens), 24), tokens[:, 0], []
        for place in range(tokens.shape[1]):
            h = self.cell(self.tokens(given), h)
            scores.append(self.head(h))
            drawn = torch.multinomial(scores[-1].softmax(1), 1)[:, 0]
            if place + 1 < tokens.shape[1]:
                given = torch.where(torch.rand(len(tokens)) < 0.25, drawn, tokens[:, place + 1])
        return torch.stack(scores, 1).transpose(1, 2)


def test_a_decoder_that_is_fed_its_own_words() -> None:
    torch.manual_seed(3)
    starts = torch.arange(9)

    def batch() -> Batch:
        whole = (torch.randint(12, (32, 1)) + starts) % 12
        return whole[:, :-1], whole[:, 1:]

    found = fit(Scheduled(), batch)
    assert "detached" not in causes(found), str(found)


# -- gradients ---------------------------------------------------------------------------------------------------------


def gathered(how: str) -> Findings:
    """Four batches before a step."""
    network, (x, y) = layers(2, 32, 3), circle(600)
    sgd, batch = SGD(network.parameters(), lr=0.1), rows_of(x, y, 16)
    with Watch() as w:
        for _ in range(16):
            kept = [torch.zeros_like(p) for p in network.parameters()]
            for _ in range(4):
                given, wanted = batch()
                if how in ("thrown away", "by hand"):
                    sgd.zero_grad()
                (F.cross_entropy(network(given), wanted) / 4).backward()
                for total, p in zip(kept, network.parameters(), strict=True):
                    assert p.grad is not None
                    total += p.grad.clamp(-0.1, 0.1)
            if how == "by hand":
                for total, p in zip(kept, network.parameters(), strict=True):
                    p.grad = total
            sgd.step()
            if how == "cleared after":
                sgd.zero_grad()
    return w.findings()


@pytest.mark.parametrize("how", ["thrown away", "by hand", "cleared after"])
def test_gradients_of_several_batches(how: str) -> None:
    torch.manual_seed(4)
    found = gathered(how)
    assert ("zero-grad-misplaced" in causes(found)) == (how == "thrown away"), str(found)


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda a, b: F.cross_entropy(a, b) / len(b), True),
        (lambda a, b: F.cross_entropy(a, b, reduction="sum") / len(b), False),
        (lambda a, b: F.cross_entropy(a, b) / 4, False),
    ],
    ids=["twice", "once", "another number"],
)
def test_a_loss_divided_by_the_size_of_the_batch(loss: Loss, told: bool) -> None:
    torch.manual_seed(5)
    network = layers(2, 32, 3)
    found = fit(network, rows_of(*circle(600)), loss, optimizer=SGD(network.parameters(), lr=0.1))
    assert titled(found, "divided by the batch's size twice") == told, str(found)


@pytest.mark.parametrize(("momentum", "rate", "told"), [(0.99, 1.0, True), (0.99, 0.002, False), (0.9, 0.05, False)])
def test_heavy_momentum(momentum: float, rate: float, told: bool) -> None:
    torch.manual_seed(6)
    network, (x, y) = layers(8, 32, 1), (torch.randn(400, 8), torch.randn(400, 1))
    y = y * 0.3 + x[:, :1] * 2
    sgd = SGD(network.parameters(), lr=rate, momentum=momentum)
    found = fit(network, rows_of(x, y), F.mse_loss, optimizer=sgd, steps=120)
    assert ("momentum-out-of-range" in causes(found)) == told, str(found)


# -- windows of series -------------------------------------------------------------------------------------------------

WINDOW = 16


def windows(series: Tensor) -> Batch:
    """Every window of a series (time, features), and the first feature of what comes next."""
    every = series.unfold(0, WINDOW + 1, 1).transpose(1, 2)
    return every[:, :-1].contiguous(), every[:, -1, :1].contiguous()


def walk(count: int = 500) -> Tensor:
    """Slow waves and noise."""
    time = torch.arange(count) * 0.2
    return torch.stack([time.sin(), (0.6 * time).cos()], 1) + 0.1 * torch.randn(count, 2)


def forecaster() -> nn.Sequential:
    """Of windows of two features."""
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * WINDOW, 32), nn.ReLU(), nn.Linear(32, 1))


def split_at_random() -> Findings:
    """The fault: windows are cut first."""
    x, y = windows(walk())
    order = torch.randperm(len(x))
    return fit(
        forecaster(), rows_of(x[order[:380]], y[order[:380]]), F.mse_loss, others=[(x[order[380:]], y[order[380:]])]
    )


def split_in_time() -> Findings:
    """The series first."""
    series = walk()
    return fit(forecaster(), rows_of(*windows(series[:400])), F.mse_loss, others=[windows(series[400:])])


def walked_forward() -> Findings:
    """What was evaluated is trained on afterwards."""
    series, network = walk(), forecaster()
    adam = Adam(network.parameters(), lr=0.01)
    with Watch() as w:
        for end in range(200, 500, 60):
            batch = rows_of(*windows(series[:end]))
            for _ in range(30):
                x, y = batch()
                adam.zero_grad()
                F.mse_loss(network(x), y).backward()
                adam.step()
            with torch.no_grad():
                x, y = windows(series[end : end + 60])
                F.mse_loss(network(x), y)
    return w.findings()


def blocks_in_turn() -> Findings:
    """Five folds of whole stretches, each with a network of its own."""
    parts = [windows(part) for part in walk().split(100)]
    with Watch() as w:
        for fold in range(5):
            network = forecaster()
            adam = Adam(network.parameters(), lr=0.01)
            x, y = (torch.cat([part[i] for k, part in enumerate(parts) if k != fold]) for i in (0, 1))
            batch = rows_of(x, y)
            for _ in range(30):
                given, wanted = batch()
                adam.zero_grad()
                F.mse_loss(network(given), wanted).backward()
                adam.step()
            with torch.no_grad():
                F.mse_loss(network(parts[fold][0]), parts[fold][1])
    return w.findings()


@pytest.mark.parametrize("loop", [split_at_random, split_in_time, walked_forward, blocks_in_turn])
def test_windows_that_overlap(loop: Callable[[], Findings]) -> None:
    torch.manual_seed(7)
    found = loop()
    assert ("validation-overlaps-training" in causes(found)) == (loop is split_at_random), str(found)


class Reader(nn.Module):
    """A recurrent layer whose last state, whose state at the true end, or whose every state is read."""

    def __init__(self, end: str, given: int = 2, made: int = 1, width: int = 16) -> None:
        super().__init__()
        self.end = end
        self.layer, self.head = nn.GRU(given, width, batch_first=True), nn.Linear(width, made)

    def forward(self, x: Tensor) -> Tensor:
        """Amounts."""
        states = self.layer(x)[0]
        lengths = (x != 0).any(2).sum(1).clamp_min(1)
        if self.end == "true":
            states = states[torch.arange(len(x)), lengths - 1]
        elif self.end == "masked mean":
            kept = (x != 0).any(2)[..., None].float()
            states = (states * kept).sum(1) / kept.sum(1)
        elif self.end == "last":
            states = states[:, -1]
        elif self.end == "later":
            states = states[:, x.shape[1] // 2 :]
        made: Tensor = self.head(states)
        return made


def padded(count: int = 400) -> Batch:
    """Series of 5 to 14 places, laid out on 24."""
    x, lengths = torch.randn(count, 24, 2), torch.randint(5, 15, (count, 1))
    x[torch.arange(24) >= lengths] = 0.0
    return x, x[:, :5, :1].sum(1)


def recalled(count: int = 400) -> Batch:
    """Three numbers, a pause of nothing, and then the three in their order are asked for."""
    x, y = torch.zeros(count, 12, 2), torch.zeros(count, 12, 1)
    x[:, :3] = torch.randn(count, 3, 2)
    y[:, 9:] = x[:, :3, :1]
    return x, y


@pytest.mark.parametrize(
    ("end", "data", "told"),
    [("last", padded, True), ("true", padded, False), ("masked mean", padded, False), ("every", recalled, False)],
)
def test_series_that_end_in_zeros(end: str, data: Callable[[], Batch], told: bool) -> None:
    torch.manual_seed(8)
    found = fit(Reader(end), rows_of(*data()), F.mse_loss)
    assert ("padding-as-data" in causes(found)) == told, str(found)


def cut_too_late(count: int = 400) -> Batch:
    """Windows that hold six of the eight places to be told."""
    every = walk(900).unfold(0, 32, 1)[:count, 0]
    return every[:, :30].contiguous(), every[:, 24:].contiguous()


def cut_in_time(count: int = 400) -> Batch:
    """Windows that end where the others begin."""
    every = walk(900).unfold(0, 32, 1)[:count, 0]
    return every[:, :24].contiguous(), every[:, 24:].contiguous()


@pytest.mark.parametrize(("data", "told"), [(cut_too_late, True), (cut_in_time, False)])
def test_windows_that_hold_what_is_asked_for(data: Callable[[], Batch], told: bool) -> None:
    torch.manual_seed(9)
    x, y = data()
    found = fit(layers(x.shape[1], 32, 8), rows_of(x, y), F.mse_loss)
    assert ("leak" in causes(found)) == told, str(found)


def test_the_next_place_of_a_recurrent_layer_after_a_start() -> None:
    torch.manual_seed(10)
    every = walk(900).unfold(0, 25, 1)[:400].transpose(1, 2)
    found = fit(Reader("later", made=2), rows_of(every[:, :-1].contiguous(), every[:, 13:].contiguous()), F.mse_loss)
    assert "leak" not in causes(found), str(found)


class Hiding(nn.Module):
    """What is hidden within the network, the same places for a batch, is to be told."""

    def __init__(self) -> None:
        super().__init__()
        self.body = layers(24, 64, 24)

    def forward(self, x: Tensor) -> Tensor:
        """All places, from some of them."""
        self.hidden = torch.randperm(24)[:10]
        seen = x.clone()
        seen[:, self.hidden] = 0.0
        made: Tensor = self.body(seen)[:, self.hidden]
        return made


def test_numbers_hidden_within_the_network() -> None:
    torch.manual_seed(11)
    network, x = Hiding(), torch.randn(400, 4) @ torch.randn(4, 24)
    adam = Adam(network.parameters(), lr=0.01)
    with Watch() as w:
        for _ in range(40):
            given = x[torch.randperm(400)[:32]]
            made = network(given)
            adam.zero_grad()
            F.mse_loss(made, given[:, network.hidden]).backward()
            adam.step()
    assert "leak" not in causes(w.findings()), str(w.findings())


def turned_round(share: float, *, alike: bool = False) -> Findings:
    """Whether a saw tooth rises, or how fast a wave is; series are turned round in time."""
    y = torch.arange(400) % 2
    time = torch.arange(20.0) + 20 * torch.rand(400, 1)
    saw = (time / 10 % 1 * 2 - 1) * (2 * y - 1)[:, None]
    x = ((time * (0.3 + 0.4 * y)[:, None]).sin() if alike else saw)[..., None] + 0.1 * torch.randn(400, 20, 1)
    network = nn.Sequential(nn.Flatten(), layers(20, 64, 2))
    adam, batch = Adam(network.parameters(), lr=0.01), rows_of(x[:300], y[:300])
    with Watch() as w:
        for step in range(160):
            given, wanted = batch()
            if torch.rand(()) < share:
                given = given.flip(1)
            adam.zero_grad()
            F.cross_entropy(network(given), wanted).backward()
            adam.step()
            if step % 20 == 19:
                with torch.no_grad():
                    F.cross_entropy(network(x[300:]), y[300:])
    return w.findings()


@pytest.mark.parametrize(("share", "alike", "told"), [(0.5, False, True), (0.0, False, False), (0.5, True, False)])
def test_series_turned_round_in_time(share: float, alike: bool, told: bool) -> None:
    torch.manual_seed(12)
    found = turned_round(share, alike=alike)
    assert ("augmentation-changes-label" in causes(found)) == told, str(found)


# -- text --------------------------------------------------------------------------------------------------------------


class Sorter(nn.Module):
    """Tells a text's kind from the mean of its tokens' embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.head = nn.Embedding(60, 16), nn.Linear(16, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores."""
        scores: Tensor = self.head(self.tokens(tokens).mean(1))
        return scores


def texts(count: int, low: int = 2, high: int = 40) -> Batch:
    """Ten tokens each, those of the second kind a little higher."""
    y = torch.arange(count) % 2
    x = torch.randint(low, high - 8, (count, 10)) + 8 * y[:, None]
    return x, y


def text_loop(train: Batch, other: Batch, dropped: float = 0.0) -> Findings:
    """Tokens of training are replaced by token 1 at random."""
    draw = rows_of(*train)

    def batch() -> Batch:
        x, y = draw()
        return x.masked_fill(torch.rand(x.shape) < dropped, 1), y

    return fit(Sorter(), batch, others=[other], steps=60)


@pytest.mark.parametrize(
    ("other", "dropped", "told"),
    [
        (lambda: texts(200), 0.0, ""),
        (lambda: texts(200), 0.25, ""),
        (lambda: texts(200, 30, 60), 0.0, "other tokens"),
        (lambda: (torch.cat([torch.full((200, 1), 59), texts(200)[0][:, 1:]], 1), texts(200)[1]), 0.0, "never do"),
    ],
    ids=["alike", "words dropped", "another vocabulary", "another start"],
)
def test_tokens_of_evaluation(other: Callable[[], Batch], dropped: float, told: str) -> None:
    torch.manual_seed(13)
    found = text_loop(texts(600), other(), dropped)
    other_texts = causes(found) & {"validation-preprocessed-differently", "not-shuffled"}
    assert titled(found, told) if told else not other_texts, str(found)


# -- inputs ------------------------------------------------------------------------------------------------------------


def exclusive_or(points: Callable[[], Tensor]) -> Findings:
    """Four points; others are looked at now and then, for a picture of what is answered where."""
    x, y = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([[0.0], [1], [1], [0]])
    network = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    adam = Adam(network.parameters(), lr=0.05)
    with Watch() as w:
        for step in range(120):
            adam.zero_grad()
            F.binary_cross_entropy_with_logits(network(x), y).backward()
            adam.step()
            if step % 20 == 19:
                with torch.no_grad():
                    network(points())
    return w.findings()


def curve(noise: float) -> Findings:
    """Thirty points of a wave, and the wave itself; or of noise, and other noise."""
    x, grid = torch.linspace(-2, 2, 30)[:, None], torch.linspace(-1.99, 1.99, 300)[:, None]
    y, truth = ((1 - noise) * (2 * at).sin() + noise * torch.randn_like(at) for at in (x, grid))
    return fit(layers(1, 64, 64, 1), lambda: (x, y), F.mse_loss, others=[(grid, truth)], steps=120)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_one_batch_that_is_all_there_is(noise: float) -> None:
    torch.manual_seed(17)
    found = curve(noise)
    assert ("same-batch" in causes(found)) == (noise > 0), str(found)


def test_what_is_answered_between_the_only_points_there_are() -> None:
    torch.manual_seed(14)
    found = exclusive_or(lambda: torch.cartesian_prod(torch.linspace(-0.5, 1.5, 20), torch.linspace(-0.5, 1.5, 20)))
    assert not causes(found), str(found)


def greys(count: int, *, rounded: bool) -> Batch:
    """Rows of greys, brighter at one end; or of black and white."""
    y = torch.arange(count) % 2
    x = (torch.rand(count, 24) * 0.8 + 0.2 * torch.linspace(0, 1, 24) * y[:, None]).clamp(0, 1)
    return (x > 0.5).float() if rounded else x, y


@pytest.mark.parametrize(("train", "other"), [(True, False), (True, True), (False, False)])
def test_black_and_white_against_greys(train: bool, other: bool) -> None:
    torch.manual_seed(15)
    found = fit(layers(24, 32, 2), rows_of(*greys(400, rounded=train)), others=[greys(100, rounded=other)])
    assert ("validation-preprocessed-differently" in causes(found)) == (train and not other), str(found)


def spots(count: int) -> Batch:
    """Soft pictures that are brighter on one side."""
    y = torch.arange(count) % 2
    x = F.avg_pool2d(torch.randn(count, 1, 28, 28), 5, 1) * 3
    return x + torch.linspace(-0.5, 0.5, 24) * (2 * y - 1)[:, None, None, None], y


def seer() -> nn.Sequential:
    """Of pictures of any size."""
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 2))


def resized(x: Tensor, size: int) -> Tensor:
    """Of another size."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize(
    ("train", "other", "told"),
    [
        (lambda x: x, lambda x: resized(x, 64), True),
        (lambda x: x, lambda x: x, False),
        (lambda x: x[..., 4:16, 4:16], lambda x: x, False),
        (lambda x: resized(x, 96)[..., 36:60, 36:60], lambda x: x, True),
        (lambda x: resized(x, 30)[..., 3:27, 3:27], lambda x: x, False),
    ],
    ids=["enlarged in evaluation", "alike", "parts, and the whole", "much enlarged in training", "a little enlarged"],
)
def test_sizes_of_pictures(train: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], told: bool) -> None:
    torch.manual_seed(16)
    (x, y), (a, b) = spots(240), spots(80)
    found = fit(seer(), rows_of(train(x), y), others=[(other(a[:40]), b[:40]), (other(a[40:]), b[40:])])
    named = {finding.cause for finding in found}  # as advice, where evaluation went well
    assert bool(named & {"validation-preprocessed-differently", "augmentation-changes-label"}) == told, str(found)


@pytest.mark.parametrize("cut", [True, False], ids=["in stretches", "whole"])
def test_a_network_called_in_stretches_and_evaluated_with_gradients_on(cut: bool) -> None:
    torch.manual_seed(17)
    x = torch.randn(560, 20)
    y = (x[:, :5].sum(1) > 0).long()
    network = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    adam = Adam(network.parameters(), lr=0.01)
    with Watch() as w:
        for _ in range(8):
            for i in range(0, 480, 40):
                adam.zero_grad()
                hidden = network[:3](x[i : i + 40]) if cut else None
                scores = network[3:](hidden) if hidden is not None else network(x[i : i + 40])
                F.cross_entropy(scores, y[i : i + 40]).backward()
                adam.step()
            (network(x[480:]).argmax(1) == y[480:]).float().mean()
    assert not causes(w.findings()), str(w.findings())
    assert sum(p.size for p in w.record.parameters) == sum(p.numel() for p in network.parameters())

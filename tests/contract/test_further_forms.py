"""Further forms of faults in losses, labels, starts and games: each is told, and not what looks like it."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from sightline.diagnose import Findings, Watch
from small_loops import Batch, Loss, causes, circle, fit, layers, rows_of, titled

# -- losses ------------------------------------------------------------------------------------------------------------


def likelihood(scores: Tensor, y: Tensor, sign: float = -1.0) -> Tensor:
    """Of the right classes, by hand."""
    return sign * F.log_softmax(scores, 1).gather(1, y[:, None]).mean()


def sure_but_not_too(scores: Tensor, y: Tensor) -> Tensor:
    """A loss, and a little of the entropy that is to be large."""
    logs = F.log_softmax(scores, 1)
    return F.nll_loss(logs, y) + 0.01 * (logs.exp() * logs).sum(1).mean()


@pytest.mark.parametrize(
    ("loss", "told"),
    [(partial(likelihood, sign=1.0), True), (likelihood, False), (sure_but_not_too, False)],
    ids=["without its minus", "with it", "entropy"],
)
def test_a_likelihood_and_its_sign(loss: Loss, told: bool) -> None:
    torch.manual_seed(0)
    found = fit(layers(2, 32, 3), rows_of(*circle(400)), loss)
    assert titled(found, "The loss is maximised") == told, str(found)


def one_hot(loss: Loss) -> Loss:
    """Against 1 for the right class and 0 for the others."""
    return lambda scores, y: loss(scores, F.one_hot(y, scores.shape[1]).float())


@pytest.mark.parametrize(
    ("rate", "loss", "told"),
    [(1e-4, one_hot(F.mse_loss), True), (0.02, one_hot(F.mse_loss), False), (0.01, F.cross_entropy, False)],
    ids=["squares that do not fall", "squares that do", "cross-entropy"],
)
def test_one_hot_targets(rate: float, loss: Loss, told: bool) -> None:
    torch.manual_seed(1)
    found = fit(layers(2, 64, 5), rows_of(*circle(400, 5)), loss, rate=rate, steps=150)
    assert ("regression-loss-for-classes" in {finding.cause for finding in found}) == told, str(found)


class Rectified(nn.Module):
    """Layers, and what their outputs go through."""

    def __init__(self, end: Callable[[Tensor], Tensor], made: int) -> None:
        super().__init__()
        self.body, self.end = layers(2, 32, made), end

    def forward(self, x: Tensor) -> Tensor:
        """Scores, or probabilities."""
        return self.end(self.body(x))


def to_places(x: Tensor) -> Tensor:
    """Scores of three classes: how near rectified codes are to a place of each."""
    return -torch.cdist(F.relu(x), 3 * torch.eye(3, x.shape[1]))


@pytest.mark.parametrize(
    ("end", "made", "told"),
    [(F.relu, 3, True), (lambda x: x, 3, False), (to_places, 8, False)],
    ids=["rectified", "plain", "distances"],
)
def test_rectified_scores(end: Callable[[Tensor], Tensor], made: int, told: bool) -> None:
    torch.manual_seed(2)
    found = fit(Rectified(end, made), rows_of(*circle(400)), steps=80)
    assert ("output-cannot-reach-targets" in causes(found)) == told, str(found)


@pytest.mark.parametrize(
    ("end", "told"), [(lambda x: torch.sigmoid(F.relu(x)), True), (torch.sigmoid, False)], ids=["rectified", "plain"]
)
def test_probabilities_that_are_never_below_a_half(end: Callable[[Tensor], Tensor], told: bool) -> None:
    torch.manual_seed(3)
    x, y = circle(400, 2)
    found = fit(Rectified(end, 1), rows_of(x, y[:, None].float()), F.binary_cross_entropy, steps=80)
    assert ("output-cannot-reach-targets" in causes(found)) == told, str(found)


class Tagger(nn.Module):
    """Tells each place of a text; log-probabilities along some axis, laid flat."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis, self.tokens, self.head = axis, nn.Embedding(12, 16), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        """(places of all texts, classes)."""
        return F.log_softmax(self.head(self.tokens(x)), dim=self.axis).view(-1, 5)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_a_softmax_over_places_then_laid_flat(axis: int) -> None:
    torch.manual_seed(4)
    x = torch.randint(12, (200, 9))
    found = fit(Tagger(axis), rows_of(x, x % 5), lambda scores, y: F.nll_loss(scores, y.flatten()), rate=0.02)
    assert ("softmax-wrong-dimension" in causes(found)) == (axis == 1), str(found)


# -- labels ------------------------------------------------------------------------------------------------------------


def places(count: int, seed: int = 0) -> Batch:
    """Twelve classes around places of their own."""
    where = 3 * torch.randn(12, 8, generator=torch.Generator().manual_seed(seed))
    y = torch.arange(count) % 12
    return where[y] + 0.5 * torch.randn(count, 8), y


def judged(y_of: Callable[[Tensor], Tensor], kept: Callable[[Tensor], Tensor] | None = None) -> Findings:
    """Twelve classes; evaluation's are numbered by ``y_of``, training shows those that are ``kept``."""
    (x, y), (a, b) = places(1_200), places(360)
    if kept is not None:
        rows = kept(y)
        x, y = x[rows], y[rows]
    return fit(layers(8, 64, 12), rows_of(x, y, 64), others=[(a, y_of(b))], steps=90, rate=0.02)


def rarely(y: Tensor) -> Tensor:
    """Fewer and fewer of the later classes."""
    return torch.rand(len(y)) < 0.6**y


def test_classes_that_are_never_right() -> None:
    torch.manual_seed(5)
    found = judged(lambda y: torch.where(y > 8, 9 + (y - 8) % 3, y))
    assert titled(found, "never right in evaluation"), str(found)
    found = judged(lambda y: y)
    assert not causes(found), str(found)


def test_classes_that_training_hardly_shows() -> None:
    torch.manual_seed(6)
    found = judged(lambda y: y, rarely)
    assert titled(found, "hardly shows classes"), str(found)
    found = judged(lambda y: y, lambda y: torch.rand(len(y)) < 0.9 - 0.03 * y)
    assert not causes(found), str(found)


def tagged(ignored: int, *, by_loss: bool) -> Findings:
    """Texts with padding, 0; one tag is left out of the training loss. The loop counts right tags at every place."""
    x = torch.randint(1, 12, (200, 9))
    x[:, 6:] = torch.where(torch.arange(200)[:, None] % 2 == 0, 0, x[:, 6:])
    y = x % 5
    y[x == 0] = 0 if by_loss else -100
    network = nn.Sequential(nn.Embedding(12, 16), nn.Linear(16, 5))
    adam, batch = Adam(network.parameters(), lr=0.05), rows_of(x[:150], y[:150])
    with Watch() as w:
        for step in range(60):
            given, wanted = batch()
            adam.zero_grad()
            F.cross_entropy(network(given).transpose(1, 2), wanted, ignore_index=ignored).backward()
            adam.step()
            if step % 20 == 19:
                with torch.no_grad():
                    assert (network(x[150:]).argmax(2) == y[150:]).sum() > 0
    return w.findings()


@pytest.mark.parametrize(("ignored", "by_loss"), [(-100, False), (0, True)])
def test_padding_that_the_loss_leaves_out_and_the_loop_compares(ignored: int, by_loss: bool) -> None:
    torch.manual_seed(7)
    found = tagged(ignored, by_loss=by_loss)
    assert not causes(found) & {"ignored-index", "wrong-labels", "not-shuffled"}, str(found)


def test_a_class_that_the_loss_leaves_out_and_evaluation_asks_for() -> None:
    torch.manual_seed(8)
    found = fit(
        layers(8, 64, 12),
        rows_of(*places(600)),
        lambda scores, y: F.cross_entropy(scores, y, ignore_index=3 if torch.is_grad_enabled() else -100),
        others=[places(240)],
        steps=60,
    )
    assert "ignored-index" in causes(found), str(found)


@pytest.mark.parametrize(("rest", "told"), [(14, True), (0, False)])
def test_training_that_ends_on_two_classes(rest: int, told: bool) -> None:
    torch.manual_seed(9)
    x, y = circle(600, 6)
    few = y < 2
    some, all_of_them = rows_of(x[few], y[few]), rows_of(x, y)
    left = iter([all_of_them] * (40 - rest) + [some] * rest)
    found = fit(layers(2, 32, 6), lambda: next(left)(), steps=40)
    assert ("forgetting" in causes(found)) == told, str(found)


@pytest.mark.parametrize(("count", "told"), [(20, True), (400, False)])
def test_fewer_examples_than_are_evaluated(count: int, told: bool) -> None:
    torch.manual_seed(10)
    x, y = torch.randn(1_000, 30), torch.randint(3, (1_000,))
    x[torch.arange(1_000), y] += 1.5
    batch = rows_of(x[:count], y[:count], 16)
    found = fit(layers(30, 64, 3), batch, others=[(x[400:], y[400:])], steps=80)
    assert bool(causes(found) & {"too-little-data", "overfitting"}) == told, str(found)


def counting(rows: int, ahead: int) -> Findings:
    """A text that counts, mostly; the network is given all but the last tokens of its windows."""
    text = torch.where(torch.rand(3_000) < 0.9, 1, torch.randint(2, 29, (3_000,))).cumsum(0) % 29
    every = text.unfold(0, 14, 7)
    network = nn.Sequential(nn.Embedding(29, 16), nn.Linear(16, 29))
    batch = rows_of(every, every, rows)

    def pair() -> Batch:
        x, _ = batch()
        return x[:, :12], x[:, ahead:13]

    def loss(scores: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(scores[:, : y.shape[1]].transpose(1, 2), y)

    return fit(network, pair, loss, rate=0.02)


@pytest.mark.parametrize("ahead", [1, 2])
def test_targets_two_ahead_in_shorter_rows(ahead: int) -> None:
    torch.manual_seed(11)
    found = counting(32, ahead)
    assert ("wrong-labels" in causes(found)) == (ahead == 2), str(found)


# -- starts ------------------------------------------------------------------------------------------------------------


def started(how: Callable[[Tensor], object]) -> Findings:
    """Deep layers that start as told."""
    network = layers(8, 32, 32, 32, 12)
    for p in network.parameters():
        if p.dim() > 1:
            how(p)
    return fit(network, rows_of(*places(600)), optimizer=SGD(network.parameters(), lr=0.05), steps=60)


def test_weights_of_one_sign() -> None:
    torch.manual_seed(12)
    found = started(partial(nn.init.uniform_, a=0.0, b=0.4))
    assert titled(found, "start with one sign"), str(found)
    for how in (nn.init.kaiming_uniform_, nn.init.xavier_normal_):
        assert "bad-initialisation" not in causes(started(how))


class Positive(nn.Module):
    """A product of two matrices that start positive, as factors of counts do."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.things = nn.Embedding(40, 8), nn.Embedding(30, 8)
        for table in (self.users, self.things):
            nn.init.uniform_(table.weight, 0.2, 0.5)

    def forward(self, pairs: Tensor) -> Tensor:
        """How much one likes the other."""
        liked: Tensor = (self.users(pairs[:, 0]).relu() * self.things(pairs[:, 1]).relu()).sum(1)
        return liked


def test_factors_that_start_positive() -> None:
    torch.manual_seed(13)
    likes = torch.rand(40, 4) @ torch.rand(4, 30) * 2
    pairs = torch.cartesian_prod(torch.arange(40), torch.arange(30))
    found = fit(Positive(), rows_of(pairs, likes.flatten(), 128), F.mse_loss, steps=150, rate=0.02)
    assert "bad-initialisation" not in causes(found), str(found)


def frozen(*, trained_before: bool) -> Findings:
    """All but the last layer stay as they are."""
    network, batch = layers(8, 64, 64, 64, 12), rows_of(*places(600))
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
    if trained_before:
        adam = Adam(network.parameters(), lr=0.01)
        for _ in range(60):
            x, y = batch()
            adam.zero_grad()
            F.cross_entropy(network(x), y).backward()
            adam.step()
    for p in network[:-1].parameters():
        p.requires_grad_(False)
    head = network[-1]
    return fit(network, batch, optimizer=Adam(head.parameters(), lr=0.01))


@pytest.mark.parametrize("trained_before", [False, True])
def test_layers_frozen_at_a_normal_start(trained_before: bool) -> None:
    torch.manual_seed(14)
    found = frozen(trained_before=trained_before)
    assert ("frozen-parameters" in causes(found)) == (not trained_before), str(found)


def again(every: int, *, fresh: bool) -> Findings:
    """Layers are drawn anew, each time with an optimiser of their own, or not."""
    network, batch = layers(2, 32, 3), rows_of(*circle(400))
    adam = Adam(network.parameters(), lr=0.02)
    with Watch() as w:
        for step in range(60):
            if step % every == 0:
                for layer in network:
                    if isinstance(layer, nn.Linear):
                        nn.init.xavier_uniform_(layer.weight)
                adam = Adam(network.parameters(), lr=0.02) if fresh else adam
            x, y = batch()
            adam.zero_grad()
            F.cross_entropy(network(x), y).backward()
            adam.step()
    return w.findings()


@pytest.mark.parametrize(("every", "fresh", "told"), [(10, False, True), (100, False, False), (20, True, False)])
def test_layers_drawn_again(every: int, fresh: bool, told: bool) -> None:
    torch.manual_seed(15)
    found = again(every, fresh=fresh)
    assert ("recreated-parameters" in causes(found)) == told, str(found)


# -- rates and widths --------------------------------------------------------------------------------------------------


def to_the_end(noise: float, rate: float) -> Findings:
    """All examples at every step, at a rate that falls to 0."""
    x = torch.randn(300, 6)
    y = x[:, :1] - x[:, 1:2] + noise * torch.randn(300, 1)
    network = layers(6, 32, 1)
    adam = Adam(network.parameters(), lr=rate)
    falling = CosineAnnealingLR(adam, 150)
    with Watch() as w:
        for _ in range(150):
            adam.zero_grad()
            F.mse_loss(network(x), y).backward()
            adam.step()
            falling.step()
    return w.findings()


def test_a_rate_that_falls_to_nothing_where_nothing_is_left_to_learn() -> None:
    torch.manual_seed(16)
    for noise in (0.5, 1.5):
        found = to_the_end(noise, 5e-3)
        assert "rate-too-low" not in causes(found), str(found)


def test_a_rate_at_which_nothing_is_reached() -> None:
    torch.manual_seed(17)
    found = to_the_end(0.1, 2e-5)
    assert "rate-too-low" in causes(found), str(found)


class Remembering(nn.Module):
    """A recurrent layer of a few units before an output of several numbers."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.layer, self.head = nn.GRU(4, units, batch_first=True), nn.Linear(units, 6)

    def forward(self, x: Tensor) -> Tensor:
        """Of the last place."""
        made: Tensor = self.head(self.layer(x)[0][:, -1])
        return made


@pytest.mark.parametrize(("units", "told"), [(1, True), (16, False)])
def test_a_memory_of_one_unit(units: int, told: bool) -> None:
    torch.manual_seed(18)
    x = torch.randn(400, 6, 4)
    y = torch.cat([x[:, -1], x[:, -2, :2]], 1)
    found = fit(Remembering(units), rows_of(x, y, 64), F.mse_loss, rate=0.02, steps=80)
    assert ("bottleneck" in causes(found)) == told, str(found)


@pytest.mark.parametrize(("units", "told"), [(2, True), (32, False)])
def test_few_rectified_units(units: int, told: bool) -> None:
    torch.manual_seed(19)
    found = fit(layers(8, 32, units, 12), rows_of(*places(600), 64), rate=0.02, steps=100)
    assert ("bottleneck" in causes(found)) == told, str(found)


# -- games -------------------------------------------------------------------------------------------------------------


def game(*, every: int = 1, real: float = 1.0, asked: bool = False, still: bool = False, steps: int = 60) -> Findings:
    """A generator of points, and its judge.

    Args:
        every: the judge's steps for one of the generator's.
        real: the label of what is real; what is made has 1 less.
        asked: whether the generator is asked for certain examples, too.
        still: whether the generator is in evaluation mode in all but the first steps.
        steps: of the judge.
    """
    spots = torch.randn(8, 16).sign()
    maker = nn.Sequential(nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))
    judge = nn.Sequential(nn.Linear(16, 32), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(32, 1))
    makes, judges = (Adam(n.parameters(), lr=2e-3, betas=(0.5, 0.99)) for n in (maker, judge))
    ones, zeros = torch.full((48, 1), real), torch.full((48, 1), real - 1)
    with Watch() as w:
        for step in range(steps):
            x = spots[torch.randint(8, (48,))] + 0.1 * torch.randn(48, 16)
            if still:
                maker.train(step < 10)
            made = maker(torch.randn(48, 4))
            judges.zero_grad()
            right = F.binary_cross_entropy_with_logits(judge(x), ones)
            (right + F.binary_cross_entropy_with_logits(judge(made.detach()), zeros)).backward()
            judges.step()
            if step % every == 0:
                makes.zero_grad()
                loss = F.binary_cross_entropy_with_logits(judge(made), ones)
                (loss + F.l1_loss(made, x) if asked else loss).backward()
                makes.step()
    return w.findings()


@pytest.mark.parametrize(
    ("loop", "cause"),
    [
        (partial(game, every=20), "discriminator-too-strong"),
        (partial(game, real=0.0), "label-range"),
        (partial(game, asked=True), "mode-collapse"),
        (partial(game, still=True), "evaluation-mode-in-training"),
    ],
    ids=["hardly ever a step", "no probability", "asked for examples", "in evaluation mode"],
)
def test_games_with_a_fault(loop: Callable[[], Findings], cause: str) -> None:
    torch.manual_seed(20)
    found = loop()
    assert cause in causes(found), str(found)


@pytest.mark.parametrize("loop", [game, partial(game, every=5)], ids=["one to one", "five to one"])
def test_games_that_look_alike(loop: Callable[[], Findings]) -> None:
    torch.manual_seed(21)
    found = loop()
    told = causes(found) & {"discriminator-too-strong", "label-range", "mode-collapse", "evaluation-mode-in-training"}
    assert not told, str(found)


# -- pictures ----------------------------------------------------------------------------------------------------------


def turned(share: float, *, round_ones: bool) -> Findings:
    """Pictures are turned by right angles; their class is told by their size, or by where they are bright."""
    y = torch.arange(300) % 2
    x = 0.3 * torch.randn(300, 1, 12, 12)
    if round_ones:
        x[y == 1, :, 3:9, 3:9] += 1.0
    else:
        x += torch.linspace(-1, 1, 12)[:, None] * (2 * y - 1)[:, None, None, None]
    network = nn.Sequential(nn.Flatten(), layers(144, 32, 2))
    batch = rows_of(x[:220], y[:220])

    with Watch() as w:
        adam = Adam(network.parameters(), lr=0.01)
        for step in range(60):
            given, wanted = batch()
            if torch.rand(()) < share:
                given = torch.rot90(given, 2, (2, 3))
            adam.zero_grad()
            F.cross_entropy(network(given), wanted).backward()
            adam.step()
            if step % 20 == 19:
                with torch.no_grad():
                    F.cross_entropy(network(x[220:]), y[220:])
    return w.findings()


@pytest.mark.parametrize(("share", "round_ones", "told"), [(0.5, False, True), (0.5, True, False), (0.0, False, False)])
def test_pictures_turned_by_right_angles(share: float, round_ones: bool, told: bool) -> None:
    torch.manual_seed(22)
    found = turned(share, round_ones=round_ones)
    assert ("augmentation-changes-label" in causes(found)) == told, str(found)


def flipped_in_training(share: float) -> Findings:
    """Soft pictures, bright below; a share of training's batches is put upside down before the loop."""
    y = torch.arange(400) % 2
    x = F.avg_pool2d(torch.randn(400, 1, 16, 16), 5, 1) * 3 + torch.linspace(-0.6, 0.6, 12)[:, None]
    x[:, :, :, 6:] += (0.8 * (2 * y - 1))[:, None, None, None]
    network = nn.Sequential(nn.Flatten(), layers(144, 32, 2))
    down = torch.rand(300) < share
    given = torch.where(down[:, None, None, None], x[:300].flip(2), x[:300])
    return fit(network, rows_of(given, y[:300]), others=[(x[300:350], y[300:350]), (x[350:], y[350:])], steps=60)


@pytest.mark.parametrize(("share", "told"), [(1.0, True), (0.0, False)])
def test_pictures_whose_mean_is_upside_down(share: float, told: bool) -> None:
    torch.manual_seed(23)
    found = flipped_in_training(share)
    assert (titled(found, "mean pictures") or any("mean pictures" in " ".join(f.evidence) for f in found)) == told, str(
        found
    )


# -- text --------------------------------------------------------------------------------------------------------------


class Writer(nn.Module):
    """Tells the next token from the last, with more weights than that needs."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.body = nn.Embedding(40, 64), layers(64, 128, 40)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of every place."""
        scores: Tensor = self.body(self.tokens(x))
        return scores


def reading(tokens: int) -> Findings:
    """Windows at random places of a text; those of another text are evaluated."""
    text, other = (
        torch.where(torch.rand(count) < 0.8, 1, torch.randint(40, (count,))).cumsum(0) % 40 for count in (tokens, 4_000)
    )

    def cut(source: Tensor) -> Batch:
        starts = torch.randint(len(source) - 25, (16,)).tolist()
        return torch.stack([source[i : i + 24] for i in starts]), torch.stack([source[i + 1 : i + 25] for i in starts])

    def loss(scores: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(scores.transpose(1, 2), y)

    return fit(Writer(), lambda: cut(text), loss, others=[cut(other) for _ in range(8)], steps=60)


@pytest.mark.parametrize(("tokens", "told"), [(400, True), (12_000, False)])
def test_a_text_that_is_read_over_and_over(tokens: int, told: bool) -> None:
    torch.manual_seed(24)
    found = reading(tokens)
    assert titled(found, "tokens are read, each about") == told, str(found)

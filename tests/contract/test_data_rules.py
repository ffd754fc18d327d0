"""Rules on what the data tell: the fault, and healthy loops that look like it."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from sightline.diagnose import Findings, Watch


def causes(found: Findings) -> set[str]:
    """Those with evidence of harm."""
    return {finding.cause for finding in found.alarms}


# -- text --------------------------------------------------------------------------------------------------------------


def walk(count: int, vocabulary: int = 30) -> Tensor:
    """A text of which the next token is mostly known."""
    jumps = torch.where(torch.rand(count) < 0.8, 1, torch.randint(vocabulary, (count,)))
    return jumps.cumsum(0) % vocabulary


def cut(source: Tensor) -> tuple[Tensor, Tensor]:
    """Windows at random places, and what comes next."""
    starts = torch.randint(len(source) - 33, (16,)).tolist()
    return torch.stack([source[i : i + 32] for i in starts]), torch.stack([source[i + 1 : i + 33] for i in starts])


def language_loop(train: Tensor, *evaluated: Tensor) -> Findings:
    """Next tokens of windows; each text of evaluation is evaluated four times."""
    network = nn.Sequential(nn.Embedding(30, 16), nn.Linear(16, 30))
    adam = Adam(network.parameters(), lr=0.02)
    with Watch(network, adam) as w:
        for step in range(80):
            x, y = cut(train)
            adam.zero_grad()
            F.cross_entropy(network(x).transpose(1, 2), y).backward()
            adam.step()
            if step % 20 == 19:
                network.eval()
                with torch.no_grad():
                    for source in evaluated:
                        for _ in range(15):
                            x, y = cut(source)
                            F.cross_entropy(network(x).transpose(1, 2), y)
                network.train()
    return w.findings()


def test_validation_text_inside_the_training_text() -> None:
    torch.manual_seed(0)
    whole = walk(12_000)
    found = language_loop(whole, whole[10_000:])
    assert causes(found) == {"validation-overlaps-training"}, str(found)
    assert "stretches of 24 tokens" in found[0].evidence[0]


@pytest.mark.parametrize("both", [False, True], ids=["of its own", "beside some of the training text"])
def test_validation_text_of_its_own(both: bool) -> None:
    torch.manual_seed(1)
    train, other = walk(12_000), walk(2_000)
    found = language_loop(train, train, other) if both else language_loop(train, other)
    assert not causes(found), str(found)


# -- pictures ----------------------------------------------------------------------------------------------------------

SIDE = 16


def smooth(count: int = 192, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Soft spots of similar colours, (count, channels, 16, 16), and whether the upper half is the brighter one."""
    grey = F.avg_pool2d(torch.randn(count, 1, SIDE + 4, SIDE + 4), 5, 1) * 5
    tint = F.avg_pool2d(torch.randn(count, channels, SIDE + 4, SIDE + 4), 5, 1) * 3
    tint = tint + torch.linspace(-0.3, 0.3, channels)[:, None, None]
    y = torch.arange(count) % 2
    slope = torch.linspace(1, -1, SIDE)[:, None] * (1 - 2 * y)[:, None, None, None]
    return grey + tint + slope, y


def picture_loop(
    x: Tensor, y: Tensor, other: Tensor | None = None, *, network: nn.Module | None = None, steps: int = 24
) -> Findings:
    """Two classes of pictures by convolutions; other pictures are looked at twice."""
    network = network or nn.Sequential(
        nn.Conv2d(x.shape[1], 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 2)
    )
    adam = Adam(network.parameters(), lr=0.01)
    with Watch(network, adam) as w:
        for step in range(steps):
            rows = torch.randperm(len(x))[:32]
            adam.zero_grad()
            F.cross_entropy(network(x[rows]), y[rows]).backward()
            adam.step()
            if other is not None and step % (steps // 2) == 9:
                network.eval()
                with torch.no_grad():
                    network(other)
                network.train()
    return w.findings()


def pixels_moved(x: Tensor) -> Tensor:
    """One permutation of pixels, the same in all pictures."""
    return x.flatten(2)[:, :, torch.randperm(x[0, 0].numel())].view(x.shape)


def colours_mixed(x: Tensor) -> Tensor:
    """Written as (count, height, width, channels) and read as channels first."""
    return x.permute(0, 2, 3, 1).reshape(x.shape)


def halves(count: int) -> Tensor:
    """Pictures of which a third is blank."""
    x, _ = smooth(count)
    x[torch.arange(count) % 3 == 0] = 0.0
    return x


def evidence(found: Findings, cause: str) -> str:
    """Sentences of the one finding of that cause."""
    (only,) = [finding for finding in found.alarms if finding.cause == cause]
    return " ".join(only.evidence)


@pytest.mark.parametrize(
    ("change", "words"), [(colours_mixed, "three rows apart"), (pixels_moved, "noise's directions")]
)
def test_pictures_whose_pixels_are_out_of_place(change: Callable[[Tensor], Tensor], words: str) -> None:
    torch.manual_seed(2)
    x, y = smooth()
    found = picture_loop(change(x), y)
    assert words in evidence(found, "wrong-layout"), str(found)


def test_pixels_out_of_place_in_training_only() -> None:
    torch.manual_seed(3)
    x, y = smooth()
    found = picture_loop(pixels_moved(x), y, smooth(64)[0])
    assert "in evaluation" in evidence(found, "wrong-layout"), str(found)


@pytest.mark.parametrize("size", [4.0, 0.3])
def test_noise_that_drowns_pictures(size: float) -> None:
    torch.manual_seed(3)
    (x, _), network = smooth(), nn.Conv2d(3, 3, 3, padding=1)
    adam = Adam(network.parameters(), lr=0.01)
    with Watch(network, adam) as w:
        for _ in range(24):
            clean = x[torch.randperm(len(x))[:32]]
            adam.zero_grad()
            F.mse_loss(network(clean + size * torch.randn_like(clean)), clean).backward()
            adam.step()
        with torch.no_grad():
            network(x)
    assert ("augmentation-changes-label" in causes(w.findings())) == (size > 1), str(w.findings())


def test_a_third_of_the_pictures_is_blank() -> None:
    torch.manual_seed(4)
    found = picture_loop(halves(240), torch.arange(240) % 2, steps=32)
    assert "trained on one is drawn 3" in evidence(found, "constant-input"), str(found)


def one_smooth_axis(count: int = 192) -> Tensor:
    """Each row a noise of its own, drawn out: as spectrograms are."""
    return F.avg_pool2d(torch.randn(count, 1, SIDE, SIDE + 12), (1, 13), 1) * 3.6


def boards(count: int = 192) -> Tensor:
    """Pieces anywhere."""
    return (torch.rand(count, 1, SIDE, SIDE) < 0.3).float()


def squares(count: int = 192) -> Tensor:
    """Of one colour each: many are alike."""
    return torch.randint(3, (count, 1, 1, 1)).float().expand(count, 1, SIDE, SIDE).contiguous()


@pytest.mark.parametrize("made", [lambda: smooth()[0], one_smooth_axis, boards, squares])
def test_pictures_that_are_as_they_should_be(made: Callable[[], Tensor]) -> None:
    torch.manual_seed(5)
    x = made()
    y = (x[:, :, : SIDE // 2].mean((1, 2, 3)) > x.mean((1, 2, 3)).median()).long()
    found = picture_loop(x, y, made()[:64], steps=60)
    assert not causes(found) & {"wrong-layout", "constant-input", "validation-preprocessed-differently"}, str(found)


def test_noise_taught_to_layers_that_see_no_neighbours() -> None:
    torch.manual_seed(6)
    x, y = smooth()
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 16), nn.ReLU(), nn.Linear(16, 2))
    assert not causes(picture_loop(pixels_moved(x), y, network=network))


# -- tables and series -------------------------------------------------------------------------------------------------


def series_loop(x: Tensor, other: Tensor) -> Findings:
    """The last number of a row from the others."""
    inputs = (x.flatten(1)[:, :-1], other.flatten(1)[:, :-1]) if x.dim() == 2 else (x[:, :-1], other[:, :-1])
    network = nn.Sequential(nn.Flatten(), nn.Linear(inputs[0][0].numel(), 16), nn.ReLU(), nn.Linear(16, 1))
    adam = Adam(network.parameters(), lr=0.01)
    with Watch(network, adam) as w:
        for step in range(60):
            rows = torch.randperm(len(x))[:32]
            adam.zero_grad()
            F.mse_loss(network(inputs[0][rows]), x[rows].flatten(1)[:, -1:]).backward()
            adam.step()
            if step % 10 == 9:
                with torch.no_grad():
                    F.mse_loss(network(inputs[1]), other.flatten(1)[:, -1:])
    return w.findings()


def waves(count: int, axes: int, *, mixed: bool = False) -> Tensor:
    """Windows of a slow wave, (count, 21) or (count, 21, 2); mixed: of the same numbers in any order."""
    time = torch.arange(count + 21) * 0.1
    series = torch.stack([time.sin(), (0.7 * time).cos()], 1) + 0.1 * torch.randn(count + 21, 2)
    if mixed:
        series = series[torch.randperm(len(series))]
    windows = series.unfold(0, 21, 1)[:count].transpose(1, 2)
    return windows if axes == 3 else windows[:, :, 0]


@pytest.mark.parametrize("axes", [2, 3])
def test_series_out_of_order_in_training(axes: int) -> None:
    torch.manual_seed(7)
    found = series_loop(waves(400, axes, mixed=True), waves(96, axes))
    assert "one place apart" in evidence(found, "validation-preprocessed-differently"), str(found)
    found = series_loop(waves(400, axes), waves(96, axes))
    assert not causes(found), str(found)


def table(count: int, *, flat: int = 0) -> Tensor:
    """Ten features and what follows from two of them; some of the features do not vary."""
    x = torch.randn(count, 10)
    y = x[:, :1] - x[:, 1:2]
    x[:, 10 - flat :] = 0.5
    return torch.cat([x, y], 1)


def rare_words(count: int) -> Tensor:
    """200 marks that come once in 100 examples each, and their number."""
    x = (torch.rand(count, 200) < 0.01).float()
    return torch.cat([x, x.sum(1, keepdim=True)], 1)


def test_features_that_vary_in_evaluation_only() -> None:
    torch.manual_seed(8)
    found = series_loop(table(400, flat=7), table(96))
    assert "7 of 10 features" in evidence(found, "constant-input"), str(found)
    for flat in (0, 3):
        assert not causes(series_loop(table(400, flat=flat), table(96)))
    assert "constant-input" not in causes(series_loop(rare_words(60), rare_words(400)))


# -- few examples ------------------------------------------------------------------------------------------------------


def wide(count: int, noise: float = 0.5) -> tuple[Tensor, Tensor]:
    """Twenty features, and an amount that follows from three of them."""
    x = torch.randn(count, 20)
    return x, x[:, :1] * x[:, 1:2] + x[:, 2:3] + noise * torch.randn(count, 1)


def amounts_loop(
    x: Tensor, y: Tensor, drawn: Callable[[int], Tensor], other: tuple[Tensor, Tensor] | None = None, steps: int = 80
) -> Findings:
    """Amounts by a small network, the rows of each step as told; others are evaluated every tenth step."""
    network = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 1))
    adam = Adam(network.parameters(), lr=0.01)
    with Watch(network, adam) as w:
        for step in range(steps):
            rows = drawn(step)
            adam.zero_grad()
            F.mse_loss(network(x[rows]), y[rows]).backward()
            adam.step()
            if other is not None and step % 10 == 9:
                with torch.no_grad():
                    F.mse_loss(network(other[0]), other[1])
    return w.findings()


def test_only_the_first_rows_are_ever_read() -> None:
    torch.manual_seed(9)
    x, y = wide(800)
    found = amounts_loop(x, y, lambda _: torch.randperm(40)[:16])
    assert "of 800 rows only 0 to 39 are drawn, each about 32 times" in evidence(found, "too-little-data"), str(found)


def test_a_handful_of_examples_that_say_little_of_others() -> None:
    torch.manual_seed(10)
    x, y = wide(24)
    found = amounts_loop(x, y, lambda _: torch.randperm(24), wide(200))
    assert "24 examples are trained on, each about 80 times" in evidence(found, "too-little-data"), str(found)


class Mirrored(Dataset[tuple[Tensor, Tensor]]):
    """Pictures, every other time the other way round."""

    def __init__(self, count: int) -> None:
        self.x, self.y = smooth(count)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x = self.x[index]
        return (x.flip(-1) if torch.rand(()) < 0.5 else x), self.y[index]


@pytest.mark.parametrize("count", [24, 640])
def test_a_handful_of_pictures_and_many_to_evaluate(count: int) -> None:
    torch.manual_seed(11)
    loader = DataLoader(Mirrored(count), batch_size=24, shuffle=True)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 2))
    adam = Adam(network.parameters(), lr=0.02)
    with Watch(network, adam) as w:
        for _ in range(50 * 24 // count):
            for x, y in loader:
                adam.zero_grad()
                F.cross_entropy(network(x), y).backward()
                adam.step()
        with torch.no_grad():
            network(smooth(200)[0])
    found = w.findings()
    assert (causes(found) == {"too-little-data"}) == (count == 24), str(found)
    assert "too-little-data" in causes(found) or count > 24


def curve(count: int) -> tuple[Tensor, Tensor]:
    """A wave, known at few places."""
    x = torch.linspace(-2, 2, count)[:, None]
    return x, (2 * x).sin()


def test_few_examples_that_are_enough() -> None:
    torch.manual_seed(12)
    x, y = curve(20)
    found = amounts_loop(x, y, lambda _: torch.randperm(20), curve(300), steps=200)
    assert "too-little-data" not in causes(found), str(found)
    x, y = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([[0.0], [1], [1], [0]])
    found = amounts_loop(x, y, lambda _: torch.randperm(4), (x, y), steps=120)
    assert "too-little-data" not in causes(found), str(found)


def test_a_store_that_is_being_filled_and_an_order_that_is_kept() -> None:
    torch.manual_seed(13)
    x, y = wide(1_000)
    for drawn in (
        lambda step: torch.randint(10 + step, (32,)),
        lambda _: torch.randperm(1_000)[:32],
        lambda step: torch.arange(8) + 8 * step % 200,
    ):
        found = amounts_loop(x, y, drawn)
        assert "too-little-data" not in causes(found), str(found)


def class_loop(y: Tensor) -> Findings:
    """Classes around places on a circle."""
    angle = y * (2 * torch.pi / (int(y.max()) + 1))
    x = 3 * torch.stack([angle.cos(), angle.sin()], 1) + 0.3 * torch.randn(len(y), 2)
    network = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, int(y.max()) + 1))
    adam = Adam(network.parameters(), lr=0.02)
    with Watch(network, adam) as w:
        for _ in range(80):
            rows = torch.randint(len(x), (64,))
            adam.zero_grad()
            F.cross_entropy(network(x[rows]), y[rows]).backward()
            adam.step()
    return w.findings()


def classes(*counts: int) -> Tensor:
    """So many examples of each."""
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def test_classes_of_which_there_is_hardly_an_example() -> None:
    torch.manual_seed(14)
    found = class_loop(classes(200, 180, 3, 190, 4, 220, 2))
    assert "3 of 7 classes" in evidence(found, "class-imbalance"), str(found)
    for counts in ((200, 100, 66, 50, 40, 33), (300, 120, 60, 40, 4, 3), (150, 140, 130, 4), (200, 200, 40, 40)):
        found = class_loop(classes(*counts))
        assert "class-imbalance" not in causes(found), str(found)


# -- recurrent layers --------------------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    """A recurrent layer between an embedding, or nothing, and an output of each place, or of the last."""

    def __init__(
        self, kind: Callable[..., nn.RNNBase], *, first: bool, time: int = 1, turned: bool = False, tokens: bool = False
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 6) if tokens else None
        self.layer = kind(6, 16, batch_first=first)
        self.head = nn.Linear(16, 30 if tokens else 1)
        self.time, self.turned = time, turned

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of every place of tokens, of the last place of others."""
        x = x if self.embedding is None else self.embedding(x)
        states = self.layer(x.transpose(0, 1) if self.turned else x)[0]
        answer: Tensor = self.head(states if self.embedding is not None else states.select(self.time, -1))
        return answer


def recurrent_loop(network: Recurrent, batch: Callable[[], tuple[Tensor, Tensor]], steps: int = 16) -> Findings:
    """Tokens by cross-entropy, amounts by their squared error."""
    adam = Adam(network.parameters(), lr=0.02)
    with Watch(network, adam) as w:
        for _ in range(steps):
            x, y = batch()
            adam.zero_grad()
            answer = network(x)
            loss = (
                F.mse_loss(answer, y) if y.is_floating_point() else F.cross_entropy(answer.flatten(0, 1), y.flatten())
            )
            loss.backward()
            adam.step()
    return w.findings()


def sums(time: int = 9) -> tuple[Tensor, Tensor]:
    """Series (24, time, 6), and a sum over some of each."""
    x = torch.randn(24, time, 6)
    return x, x[:, -3:, 0].sum(1, keepdim=True)


SOURCE = torch.arange(4_000) % 29


def next_tokens(*, time_first: bool = False) -> tuple[Tensor, Tensor]:
    """Twelve windows of a text that counts, and what comes next."""
    starts = torch.randint(3_900, (12,)).tolist()
    x, y = (torch.stack([SOURCE[i + k : i + k + 20] for i in starts]) for k in (0, 1))
    return (x.T.contiguous(), y.T.contiguous()) if time_first else (x, y)


@pytest.mark.parametrize(
    ("network", "batch", "words"),
    [
        (
            lambda: Recurrent(nn.LSTM, first=False, tokens=True),
            next_tokens,
            "the LSTM layer goes through the first axis",
        ),
        (lambda: Recurrent(nn.GRU, first=False), lambda: sums(8), "there are 24 examples on it, and the 8 steps"),
        (lambda: Recurrent(nn.RNN, first=False), lambda: sums(8), "RNN layer"),
    ],
    ids=["tokens", "amounts", "plain"],
)
def test_a_recurrent_layer_that_takes_the_batch_for_time(
    network: Callable[[], Recurrent], batch: Callable[[], tuple[Tensor, Tensor]], words: str
) -> None:
    torch.manual_seed(15)
    found = recurrent_loop(network(), batch)
    assert words in evidence(found, "wrong-layout"), str(found)


@pytest.mark.parametrize(
    ("network", "batch"),
    [
        (lambda: Recurrent(nn.LSTM, first=True, tokens=True), next_tokens),
        (lambda: Recurrent(nn.GRU, first=True), lambda: sums(8)),
        (lambda: Recurrent(nn.LSTM, first=False, tokens=True), lambda: next_tokens(time_first=True)),
        (lambda: Recurrent(nn.GRU, first=False, time=0, turned=True), sums),
        (lambda: Recurrent(nn.LSTM, first=False, time=0), lambda: (sums()[0].transpose(0, 1), torch.randn(24, 1))),
        (lambda: Recurrent(nn.LSTM, first=False, time=0), lambda: (torch.randn(9, 1, 6), torch.randn(1, 1))),
    ],
    ids=["batch first, tokens", "batch first", "time first, tokens", "turned within", "turned before", "one series"],
)
def test_recurrent_layers_that_go_through_time(
    network: Callable[[], Recurrent], batch: Callable[[], tuple[Tensor, Tensor]]
) -> None:
    torch.manual_seed(16)
    found = recurrent_loop(network(), batch)
    assert "wrong-layout" not in causes(found), str(found)


# -- targets -----------------------------------------------------------------------------------------------------------


def outliers(count: int = 300) -> tuple[Tensor, Tensor]:
    """Amounts of which a few are a thousand times as large."""
    x, y = wide(count)
    y[::75] += 1_000.0
    return x, y


def target_loop(x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss) -> Findings:
    """Amounts by a small network."""
    network = nn.Sequential(nn.Linear(x.shape[1], 32), nn.ReLU(), nn.Linear(32, y.shape[1]))
    adam = Adam(network.parameters(), lr=0.01)
    with Watch(network, adam) as w:
        for _ in range(60):
            rows = torch.randperm(len(x))[:64]
            adam.zero_grad()
            loss(network(x[rows]), y[rows]).backward()
            adam.step()
    return w.findings()


def test_a_few_targets_that_decide_the_loss() -> None:
    torch.manual_seed(17)
    found = target_loop(*outliers())
    assert "they make 100% of the squared distance" in evidence(found, "target-outliers"), str(found)


@pytest.mark.parametrize(
    ("data", "loss"),
    [
        (outliers, F.smooth_l1_loss),
        (outliers, F.l1_loss),
        (lambda: wide(300), F.mse_loss),
        (lambda: (wide(300)[0], torch.randn(300, 1).exp()), F.mse_loss),
        (lambda: (wide(300)[0], (torch.rand(300, 1) < 0.02).float()), F.mse_loss),
        (lambda: (wide(300)[0], torch.where(torch.rand(300, 1) < 0.3, 1_000.0, 0.0) + torch.randn(300, 1)), F.mse_loss),
    ],
    ids=["robust", "by size", "usual", "a long tail", "rare events", "two kinds"],
)
def test_targets_that_no_few_decide(
    data: Callable[[], tuple[Tensor, Tensor]], loss: Callable[[Tensor, Tensor], Tensor]
) -> None:
    torch.manual_seed(18)
    found = target_loop(*data(), loss)
    assert "target-outliers" not in causes(found), str(found)

"""A judge sees what its network sees; the figures by hand; a sentence for everything that is off."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema
from sightline.generate import judge as judge_module
from sightline.generate.judge import Judge, Seen
from sightline.generate.judgement import Judgement, judged
from sightline.generate.nearest_neighbour import Memorisation, ShareBelow
from sightline.models import MODELS
from sightline.objectives.measure import Measure
from sightline.train.verdicts import verdicts

CLASSES = ("no", "yes", "so")
SCHEMA = Schema("image", "classification", (1, 8, 8), classes=CLASSES, image_mean=(0.4,), image_std=(0.3,))


def pixels(count: int = 7) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["mlp", "resnet"])
def test_features_are_what_the_head_is_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_module, "BATCH", 3)
    model = MODELS[name](SCHEMA, seed=0).eval()
    seen = Judge(model, SCHEMA).look(pixels())
    x = (pixels() - 0.4) / 0.3
    with torch.no_grad():
        torch.testing.assert_close(seen.features, model.features(x).flatten(1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(seen.probabilities, model(x).softmax(1), rtol=1e-4, atol=1e-5)


class TwoHeads(nn.Module):
    """The head that answers is defined first and runs last; a layer between has other outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.answer, self.auxiliary, self.between = (
            nn.Flatten(),
            nn.Linear(5, 3),
            nn.Linear(5, 3),
            nn.Linear(64, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.between(self.flat(x))
        self.auxiliary(hidden)
        answer: Tensor = self.answer(hidden.relu())
        return answer


def test_of_several_heads_the_last_that_runs() -> None:
    model = TwoHeads()
    seen = Judge(model, SCHEMA).look(pixels())
    with torch.no_grad():
        torch.testing.assert_close(seen.features, model.between((pixels().flatten(1) - 0.4) / 0.3).relu())


def test_without_a_linear_head_the_outputs_are_the_features() -> None:
    """The linear layer on the way has other outputs than one a class."""
    on_the_way = (nn.Flatten(), nn.Linear(64, 5), nn.Unflatten(1, (5, 1, 1)))
    judge = Judge(nn.Sequential(*on_the_way, nn.Conv2d(5, 3, 1), nn.Flatten()), SCHEMA)
    seen = judge.look(pixels())
    torch.testing.assert_close(seen.features.softmax(1), seen.probabilities)
    assert "outputs" in judge.sees


def test_it_looks_in_evaluation_mode_and_leaves_no_trace() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 3)).train()
    judge = Judge(model, SCHEMA)
    assert torch.equal(judge.look(pixels()).probabilities, judge.look(pixels()).probabilities)
    assert all(part.training for part in model.modules())
    assert not model[2]._forward_pre_hooks


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, :, :4], "4 × 8 with 1 channel"),
        (lambda x: x.expand(-1, 3, -1, -1), "8 × 8 with 3 channels"),
        (lambda x: (x - 0.4) / 0.3, "not standardised"),
        (lambda x: x * torch.nan, "nan"),
        (lambda x: x[:0], "none"),
    ],
)
def test_images_that_are_refused(change: Callable[[Tensor], Tensor], words: str, as_a_user_calls: None) -> None:
    with pytest.raises(InputError, match=words):
        Judge(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), SCHEMA).look(change(pixels()))


def test_a_judge_tells_classes_of_images() -> None:
    for schema in (Schema("image", "none", (1, 8, 8)), Schema("table", "classification", (3,), classes=("a", "b"))):
        with pytest.raises(ConfigurationError, match="classes of images"):
            Judge(nn.Linear(3, 2), schema)


def seen(*rows: tuple[float, float, float]) -> Seen:
    return Seen(torch.tensor(rows), torch.tensor(rows) * 2)


A, B, C, UNSURE = (0.91, 0.04, 0.05), (0.0, 0.95, 0.05), (0.02, 0.0, 0.98), (0.45, 0.3, 0.25)


def test_figures_by_hand() -> None:
    reference = seen(A, B, C, C)
    found = judged(seen(A, A, B, UNSURE, (0.1, 0.9, 0.0)), reference, wanted=torch.tensor([0, 1, 1, 0, 1]))
    assert found.confident.value == 0.6  # 0.9 itself is not above 0.9
    assert found.confident.standard_error == pytest.approx(math.sqrt(5 / 9 * 4 / 9 / 9))  # 3 + 2 of 5 + 4
    assert found.shares == pytest.approx((0.6, 0.4, 0.0))
    assert found.class_distance.value == pytest.approx((0.35 + 0.15 + 0.5) / 2)
    assert found.class_entropy.value == pytest.approx(-0.6 * math.log(0.6) - 0.4 * math.log(0.4))
    assert (found.missing, found.covered) == ((2,), 2)
    assert found.agreement is not None
    assert found.agreement.value == pytest.approx(0.8)
    assert judged(seen(A, B, C, C), reference).frechet.value == pytest.approx(0, abs=1e-9)
    assert judged(seen(A, B, C, C), reference).agreement is None


def test_a_class_that_real_images_lack_is_neither_missing_nor_covered() -> None:
    found = judged(seen(A, C, C), seen(A, A, C))
    assert (found.missing, found.covered) == ((), 2)


def test_a_class_is_covered_from_a_tenth_of_its_share_on() -> None:
    for count, covered in ((1, 1), (2, 2)):
        images = seen(*[A] * (38 - count), *[B] * count)
        assert judged(images, seen(A, B)).covered == covered  # a tenth of a half of 38 is 1.9


def test_distances_look_at_the_first_so_many_only() -> None:
    images, reference = seen(A, B, C, C, C, C), seen(A, B, A, B)
    some, whole = judged(images, reference, compared=2), judged(images, reference)
    assert some.class_distance.value == 0
    assert whole.class_distance.value == pytest.approx(2 / 3)
    assert some.frechet.value < whole.frechet.value
    assert some.shares == whole.shares
    assert some.confident == whole.confident


def test_the_seed_decides_the_bootstrap() -> None:
    one, again, other = (judged(seen(A, B, C, UNSURE), seen(A, B, B), seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one.frechet.standard_error != other.frechet.standard_error


def test_figures_that_are_refused(as_a_user_calls: None) -> None:
    with pytest.raises(InputError, match="at least 2"):
        judged(seen(A), seen(A, B))
    with pytest.raises(InputError, match="class wanted"):
        judged(seen(A, B), seen(A, B), wanted=torch.tensor([0]))
    for compared in (1, 3):
        with pytest.raises(ConfigurationError, match="compared"):
            judged(seen(A, B), seen(A, B), compared=compared)


def figure(value: float) -> Measure:
    return Measure(value, 0.01)


GOOD = Judgement(
    count=1000,
    compared=1000,
    confident=figure(0.98),
    shares=(0.3, 0.3, 0.4),
    class_distance=figure(0.03),
    class_entropy=figure(1.08),
    missing=(),
    covered=3,
    frechet=figure(1.0),
    agreement=figure(0.99),
)
NEAR, FEW = (ShareBelow(figure(share), 0.01, chance, 5.0) for share, chance in ((0.12, 1e-9), (0.012, 0.3)))
PLAIN = Memorisation(FEW, FEW)


@pytest.mark.parametrize(
    ("made", "check", "words"),
    [
        (replace(GOOD, missing=(0, 2), shares=(0.0, 1.0, 0.0)), PLAIN, "2 of 3 classes are missing (no, so)"),
        (replace(GOOD, missing=(1,)), PLAIN, "1 of 3 classes is missing (yes)"),
        (replace(GOOD, class_distance=figure(0.2)), PLAIN, "20 % of the images would have to be of other classes"),
        (replace(GOOD, confident=figure(0.5)), PLAIN, "sure of 50.0 ± 1.0 % of the images, and of 98.0"),
        (replace(GOOD, frechet=figure(40.0)), PLAIN, "40 times as far"),
        (replace(GOOD, agreement=figure(0.7)), PLAIN, "70.0 ± 1.0 % are of the class that was asked for"),
        (GOOD, Memorisation(NEAR, NEAR), "12.0 ± 1.0 % of the images are nearer"),
        (GOOD, Memorisation(NEAR, NEAR), "memorised"),
        (GOOD, Memorisation(NEAR, FEW), "not copied"),
    ],
)
def test_one_sentence_for_what_is_off(made: Judgement, check: Memorisation, words: str) -> None:
    found = verdicts(made, GOOD, check, (0.3, 0.3, 0.4), CLASSES)
    assert len(found) == 1
    assert words in found[0]


def test_nothing_is_said_where_chance_may_be_all() -> None:
    shares = (0.3, 0.3, 0.4)
    a_little = replace(GOOD, frechet=figure(1.04), confident=figure(0.94), class_distance=figure(0.07))
    assert verdicts(a_little, GOOD, Memorisation(FEW, NEAR), shares, CLASSES) == []
    better = replace(GOOD, frechet=figure(0.1), confident=figure(1.0), agreement=None)
    assert verdicts(better, GOOD, PLAIN, shares, CLASSES) == []
    few = replace(GOOD, missing=(0,), count=20)  # a fair share of 6: it may well be missing by chance
    assert verdicts(few, GOOD, PLAIN, shares, CLASSES) == []

"""Two runs compared: by arithmetic that can be done by hand."""

from collections.abc import Sequence
from math import inf, isnan, nan, sqrt
from statistics import fmean, variance
from typing import Any

import pytest
import torch

from sightline.diagnose.comparison import compared, loss_difference, paired
from sightline.diagnose.course import Course, coarser
from sightline.diagnose.passes import Pass

LR = {"lr": 0.1}
N = 64


def course(losses: Sequence[float], **parts: Any) -> Course:
    return Course(**{"updates": len(losses), "passes": len(losses), "losses": tuple(losses), "made": 1, **parts})


def noise(*, level: float, seed: int = 0, size: float = 0.1, count: int = N) -> list[float]:
    stream = torch.Generator().manual_seed(seed)
    return (level + size * torch.randn(count, generator=stream, dtype=torch.float64)).tolist()


def test_the_difference_and_its_error_are_the_stated_formula() -> None:
    a, b = noise(level=1.0), noise(level=0.5, seed=1)
    apart = [fmean([b[k] - a[k], b[k + 1] - a[k + 1]]) for k in range(48, 64, 2)]
    own = [[fmean(x[k : k + 2]) for k in range(48, 64, 2)] for x in (a, b)]
    pairs = loss_difference(course(a), course(b), alike=True)
    single = loss_difference(course(a), course(b), alike=False)
    assert pairs is not None
    assert single is not None
    assert (pairs.before, pairs.after) == pytest.approx((fmean(a[48:]), fmean(b[48:])), rel=1e-12)
    assert pairs.error == pytest.approx(sqrt(variance(apart) / 8), rel=1e-12)
    assert single.error == pytest.approx(sqrt(sum(map(variance, own)) / 8), rel=1e-12)


def test_what_a_batch_does_to_both_falls_out() -> None:
    a = noise(level=1.0, size=0.5)
    b = [a[0], *(value - 0.05 for value in a[1:])]
    assert compared(course(a), course(b), LR).outcome == "helped"
    other = compared(course(a, weights=(1.0,)), course(b, weights=(2.0,)), LR)
    assert other.outcome == "no difference"
    assert "did not begin alike" in other.sentence


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (1.0, 0.5, "helped"),
        (0.5, 1.0, "worse"),
        (1.0, 1.0, "no difference"),
        (0.010, 0.001, "no difference"),  # nothing that matters beside a guess of 1
        (nan, 0.9, "helped"),
        (inf, 0.9, "helped"),
        (0.9, nan, "worse"),
        (nan, nan, "no difference"),
    ],
)
def test_the_three_verdicts(before: float, after: float, outcome: str) -> None:
    tried = compared(course([before] * N, guess=1.0), course([after] * N), LR)
    assert (tried.outcome, tried.updates) == (outcome, N)
    assert tried.sentence.endswith(
        {"helped": "It helps.", "worse": "It makes it worse.", "no difference": "It makes no difference."}[outcome]
    )


def test_better_than_before_may_be_no_better_than_a_guess() -> None:
    tried = compared(course([nan] * N, guess=1.0), course([1.2] * N), LR)
    assert tried.outcome == "helped"
    assert tried.sentence.endswith(" It helps, but is not enough.")


def test_a_difference_within_its_error_is_none() -> None:
    """Of 200 pairs that differ by chance alone few pass: 5 % at the level stated, at most 21 at 4 standard errors."""
    outcomes = [
        compared(course(noise(level=1.0, seed=2 * k)), course(noise(level=1.0, seed=2 * k + 1)), LR).outcome
        for k in range(200)
    ]
    assert 200 - outcomes.count("no difference") <= 10 + 4 * sqrt(200 * 0.05 * 0.95)


def test_one_spike_does_not_hide_what_the_other_steps_tell() -> None:
    spiked = [3.0] * (N - 1) + [1e9]
    tried = compared(course(spiked, guess=1.0), course([0.5] * N), LR)
    assert tried.outcome == "helped"
    assert "cut at 10" in tried.sentence
    assert tried.before == pytest.approx((15 * 3 + 10) / 16)


def test_runs_of_other_lengths_and_spans_are_compared_where_both_are() -> None:
    first = course([1.0] * 100 + [9.0] * 100)
    assert compared(first, course([1.0] * 100), LR).outcome == "no difference"
    halves = course(coarser([1.0] * 128, 1, 2), updates=128, passes=128, span=2)
    assert compared(halves, course([0.2] * 128), LR).outcome == "helped"
    assert coarser([1.0, 2.0, 3.0, 4.0], 2, 2) == [1.0, 2.0, 3.0, 4.0]


def test_what_cannot_be_compared_says_why() -> None:
    flat = course([1.0] * N)
    for second, change, words in (
        (Course.failed("EOFError"), LR, "came to 0 updates only: EOFError"),
        (course([1.0] * 9, stopped="ValueError: x"), LR, "came to 9 updates only: ValueError: x"),
        (course([0.1] * N, made=0), LR, "nothing in the second run could be changed so"),
        (course([0.1] * 20), LR, "too few updates"),
        (course([0.1] * N), {"dropout": 0.1}, "none is validated"),
        (course([0.1] * N), {"leave_out": "softmax", "module": "", "site": ""}, "no accuracy was seen"),
    ):
        tried = compared(flat, second, change)
        assert tried.outcome == "not compared"
        assert words in tried.sentence, tried.sentence
        assert isnan(tried.before)
    game = course([1.0] * N, players=2, updates=N // 2)
    assert "two optimisers" in compared(game, course([0.1] * N, updates=N // 2), LR).sentence
    one_loss = course([1.0] * N, players=2)
    assert compared(one_loss, course([0.1] * N), LR).outcome == "helped"


def test_a_change_of_noise_is_judged_by_validation() -> None:
    def with_looks(*losses: float) -> Course:
        return course([1.0] * N, validation=tuple(Pass(16 * (k + 1), v, None, 50) for k, v in enumerate(losses)))

    first = with_looks(1.0, 0.9, 0.8, 0.9)
    tried = compared(first, with_looks(9.0, 0.5, 0.5, 0.4), {"dropout": 0.1})
    apart = [0.5 - 0.9, 0.5 - 0.8, 0.4 - 0.9]
    assert (tried.outcome, tried.measure) == ("helped", "validation loss")
    assert tried.error == pytest.approx(sqrt(variance(apart) / 3))
    assert tried.after - tried.before == pytest.approx(fmean(apart))
    alone = course([1.0] * N, validation=(Pass(N, 0.9, None, 50),))
    for loss, outcome in ((0.85, "no difference"), (0.5, "helped"), (1.4, "worse")):
        second = course([1.0] * N, validation=(Pass(N, loss, None, 50),))
        assert compared(alone, second, {"mode": "evaluation"}).outcome == outcome


def test_another_loss_is_judged_by_accuracy_unless_it_is_a_distance() -> None:
    change = {"leave_out": "softmax", "module": "", "site": ""}

    def right(share: float, **parts: Any) -> Course:
        return course([1.0] * N, training=(Pass(4, 0.5, 0.0, 900), Pass(40, 0.5, share, 100)), **parts)

    tried = compared(right(0.5), right(0.8), change)
    assert (tried.outcome, tried.measure) == ("helped", "training accuracy")
    assert tried.error == pytest.approx(sqrt(0.5 * 0.5 / 100 + 0.8 * 0.2 / 100))
    assert compared(right(0.8), right(0.5), change).outcome == "worse"
    assert compared(right(0.5, amounts=True), right(0.8), change).measure == "training loss"


def test_a_longer_run_is_compared_at_its_own_end() -> None:
    falling = [1 - k / 256 for k in range(256)]
    short, long = (
        course(falling[:64], validation=(Pass(64, 1.0, None, 9),)),
        course(falling, validation=(Pass(64, 1.0, None, 9), Pass(256, 0.3, None, 9))),
    )
    ended = long.ending(64)
    assert (ended.updates, ended.losses, ended.validation) == (64, tuple(falling[192:]), (Pass(64, 0.3, None, 9),))
    tried = compared(short, ended, {"epochs": 4})
    assert tried.outcome == "helped"
    assert "each run at its own end" in tried.sentence
    assert "validation loss 1 without it, 0.3 with it" in tried.sentence


def test_runs_are_paired_where_they_began_alike() -> None:
    a = course([1.0, *noise(level=1.0)], weights=(1.0, 2.0), targets=(3.0,))
    assert paired(a, a, LR)
    assert not paired(a, course(a.losses, weights=(1.0, 2.5), targets=(3.0,)), LR)
    assert not paired(a, course(a.losses, weights=a.weights, targets=(4.0,)), LR)
    assert paired(a, course(a.losses, weights=a.weights), LR)  # no targets seen: nothing speaks against it
    other = course([1.5, *a.losses[1:]], weights=a.weights, targets=a.targets)
    assert not paired(a, other, LR)
    assert paired(a, other, {"standardise": True})
    more = course(a.losses * 2, updates=a.updates, weights=a.weights)
    assert not paired(a, more, LR)


def test_a_course_comes_back_from_its_parts() -> None:
    import json
    from dataclasses import asdict

    whole = course([1.0, 2.0], validation=(Pass(1, 0.5, None, 4),), training=(Pass(0, 0.5, 0.25, 4),), weights=(1.0,))
    assert Course.from_plain(json.loads(json.dumps(asdict(whole)))) == whole

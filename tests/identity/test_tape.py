"""What the watch writes down, against the obvious: tapes, facts of tensors, examples, curves, the constant guess."""

import math
from collections import Counter
from collections.abc import Callable
from math import inf, isnan, nan
from statistics import fmean

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.diagnose import LookSchedule, Watch, curve
from sightline.diagnose.constant_guess import constant_guess
from sightline.diagnose.curve import Curve
from sightline.diagnose.examples_seen import ExamplesSeen, marks
from sightline.diagnose.tape import Call, Tape
from sightline.diagnose.tensor_facts import diversity, features, spread, tensor_facts


def taped(run: Callable[[], object], model: nn.Module | None = None) -> Tape:
    """The tape of a loop that calls a network first."""
    with Watch(model) as w:
        run()
    return w.record.looks[0].tape


def makers(tape: Tape, call: Call) -> list[str]:
    """What made each operand: a call's name, a parameter's, or "data"."""
    return [o.origin or ("data" if o.producer is None else tape.calls[o.producer].name) for o in call.operands]


# -- the tape ----------------------------------------------------------------------------------------------------------


def test_each_call_knows_what_made_its_operands() -> None:
    network = nn.Linear(2, 3)
    truth = torch.ones(4, 3)

    def loop() -> None:
        h = network(torch.ones(4, 2))
        y = torch.cat([h * 2, 1 - h])
        (y[:4] - truth).pow(2).mean().backward()

    tape = taped(loop, network)
    assert [(c.name, makers(tape, c)) for c in tape.calls] == [
        ("linear", ["data", "parameter:weight", "parameter:bias"]),
        ("mul", ["linear"]),
        ("rsub", ["linear"]),
        ("cat", ["mul", "rsub"]),
        ("getitem", ["cat"]),
        ("sub", ["getitem", "data"]),
        ("pow", ["sub"]),
        ("mean", ["pow"]),
    ]
    by_name = {c.name: c for c in tape.calls}
    assert [c.index for c in tape.calls] == list(range(len(tape.calls)))
    assert by_name["linear"].module == "Linear"
    assert by_name["mul"].module == ""
    assert by_name["mul"].arguments == (None, 2)
    assert by_name["pow"].option("exponent", 1) == 2
    assert by_name["cat"].result.shape == (8, 3)
    assert by_name["mean"].result.shape == ()
    truth_seen = by_name["sub"].operands[1]
    assert truth_seen.facts is not None
    assert truth_seen.facts.constant
    assert not truth_seen.grad
    assert by_name["sub"].operands[0].grad
    assert by_name["sub"].operands[0].facts is None
    assert all(c.grad for c in tape.calls)
    assert not tape.full


def test_parameters_and_buffers_are_told_by_name_inside_modules() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()))
    tape = taped(lambda: network(torch.randn(8, 2)).sum().backward(), network)
    calls = {c.name: c for c in tape.calls}
    assert [o.origin for o in calls["linear"].operands][1:] == ["parameter:0.weight", "parameter:0.bias"]
    assert {o.origin for o in calls["batch_norm"].operands} == {
        "",
        "parameter:1.0.weight",
        "parameter:1.0.bias",
        "buffer:1.0.running_mean",
        "buffer:1.0.running_var",
    }
    assert [calls[name].module for name in ("linear", "batch_norm", "relu", "sum")] == ["0", "1.0", "1.1", ""]


def test_a_call_without_gradients_says_so() -> None:
    network = nn.Linear(2, 1)

    def loop() -> None:
        network(torch.ones(1, 2))
        with torch.no_grad():
            network(torch.ones(1, 2)) + 1

    grads = {c.name: c.grad for c in taped(loop, network).calls}
    assert grads["add"] is False


def test_a_tensor_that_takes_the_place_of_another_is_not_taken_for_it() -> None:
    tape = Tape()
    one = torch.ones(3)
    made = one + 1
    tape.note(torch.add, (one, 1), {}, made, "")
    assert tape.producer(made) == 0
    del made
    # the next tensors are given the first one's place in memory, and its id
    assert all(tape.producer(torch.zeros(3)) is None for _ in range(50))


def test_the_site_of_a_call_is_the_line_in_the_user_s_file() -> None:
    network = nn.Sequential(nn.Linear(2, 2))

    def loop() -> None:
        y = network(torch.ones(2, 2))
        y.exp().sum().backward()

    first = loop.__code__.co_firstlineno
    lines = {c.name: c.site for c in taped(loop, network).calls}
    assert lines["linear"] == f"{__file__}:{first + 1}"
    assert lines["exp"] == lines["sum"] == f"{__file__}:{first + 2}"


@pytest.mark.parametrize("shape", [(6, 5), (6, 4, 5), (3, 5, 2, 2)], ids=str)
def test_dead_units_are_those_that_never_answer(shape: tuple[int, ...]) -> None:
    axis = 1 if len(shape) == 4 else len(shape) - 1
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).abs()
    moved = x.movedim(axis, -1)
    moved[..., 1] *= -1  # two units of five are off everywhere
    moved[..., 3] *= -1
    moved[:-1, ..., 4] *= -1  # one for all examples but the last
    network = nn.Linear(shape[-1], 1)

    def loop() -> None:
        network(x)
        F.relu(x), torch.relu(x), x.clone().relu_(), F.relu6(x)

    found = [c for c in taped(loop, network).calls if "relu" in c.name]
    assert len(found) == 4
    for call in found:
        assert call.dead == pytest.approx(2 / 5)
        assert call.examples == x.numel() // 5
        assert call.saturated is None


def test_a_rectifier_without_zeros_has_no_dead_unit() -> None:
    network = nn.Linear(2, 1)
    x = torch.rand(4, 2) + 1
    (call,) = (c for c in taped(lambda: (network(x), x.relu()), network).calls if c.name == "relu")
    assert call.dead == 0.0


@pytest.mark.parametrize(
    ("function", "greatest"),
    [(torch.sigmoid, 1 / 4), (torch.tanh, 1.0), (F.softsign, 1.0), (F.hardtanh, 1.0), (F.hardsigmoid, 1 / 6)],
    ids=lambda f: getattr(f, "__name__", ""),
)
def test_saturated_is_where_autograd_s_slope_is_small(function: Callable[[Tensor], Tensor], greatest: float) -> None:
    x = 6 * torch.randn(40, 20, generator=torch.Generator().manual_seed(1))
    x.requires_grad_()
    (slope,) = torch.autograd.grad(function(x).sum(), x)
    expected = float((slope / greatest < 0.01).float().mean())
    assert expected > 0.03 or function is F.softsign
    network = nn.Linear(20, 1)
    name = function.__name__
    (call,) = (c for c in taped(lambda: (network(x), function(x)), network).calls if c.name == name)
    assert call.saturated == pytest.approx(expected, abs=1e-6)
    assert call.dead is None


# -- facts -------------------------------------------------------------------------------------------------------------

NUMBERS = st.lists(st.integers(-8, 8).map(lambda n: n / 4), min_size=1, max_size=40)


@given(NUMBERS)
@settings(max_examples=40)
def test_facts_are_what_python_computes(numbers: list[float]) -> None:
    facts = tensor_facts(torch.tensor(numbers, dtype=torch.float64))
    mean = fmean(numbers)
    assert (facts.minimum, facts.maximum) == (min(numbers), max(numbers))
    assert facts.mean == pytest.approx(mean, abs=1e-12)
    assert facts.deviation == pytest.approx(math.sqrt(fmean((v - mean) ** 2 for v in numbers)), abs=1e-12)
    assert facts.zeros == pytest.approx(numbers.count(0) / len(numbers), abs=1e-7)
    assert facts.whole == all(v == int(v) for v in numbers)
    assert facts.constant == (len(set(numbers)) == 1)
    assert facts.finite
    assert facts.floating
    assert facts.shape == (len(numbers),)
    assert facts.dtype == "float64"


def test_facts_of_numbers_that_are_none() -> None:
    facts = tensor_facts(torch.tensor([nan, inf, -inf, 0.0, 2.0]))
    assert (facts.nans, facts.infinities, facts.zeros) == pytest.approx((1 / 5, 2 / 5, 1 / 5))
    assert isnan(facts.minimum)
    assert isnan(facts.maximum)
    assert isnan(facts.mean)
    assert not facts.finite
    assert not facts.whole
    assert not facts.constant
    endless = tensor_facts(torch.tensor([1.0, inf]))
    assert (endless.maximum, endless.infinities, endless.nans) == (inf, 0.5, 0.0)
    assert not endless.finite


def test_facts_of_other_formats() -> None:
    whole = tensor_facts(torch.tensor([[3, 0, -2]]))
    assert (whole.minimum, whole.maximum, whole.zeros) == pytest.approx((-2, 3, 1 / 3))
    assert whole.whole
    assert not whole.floating
    assert whole.shape == (1, 3)
    truth = tensor_facts(torch.tensor([True, False]))
    assert (truth.mean, truth.zeros, truth.dtype) == (0.5, 0.5, "bool")
    brief = tensor_facts(torch.tensor([1.5, 2.5], dtype=torch.bfloat16))
    assert (brief.mean, brief.deviation, brief.dtype) == (2.0, 0.5, "bfloat16")
    assert brief.floating
    assert not brief.whole
    for empty in (torch.zeros(0, 3), torch.zeros(2, 0, dtype=torch.long)):
        assert tensor_facts(empty).shape == tuple(empty.shape)
        assert (tensor_facts(empty).mean, tensor_facts(empty).nans) == (0.0, 0.0)
    assert tensor_facts(torch.zeros(2, dtype=torch.complex64)).dtype == "complex64"
    assert tensor_facts(torch.eye(2).to_sparse()).shape == (2, 2)


def test_spread_is_the_whole_of_a_small_tensor_and_evenly_some_of_a_large_one() -> None:
    small = torch.randn(3, 4, 5)
    assert torch.equal(spread(small), small.flatten())
    assert torch.equal(spread(small.transpose(0, 2)), small.transpose(0, 2).flatten())
    assert torch.equal(spread(torch.tensor(3.0)), torch.tensor([3.0]))
    for shape in ((10_000,), (64, 256), (2, 8_192), (5_000, 3)):
        large = torch.arange(math.prod(shape)).reshape(shape)
        some = spread(large, 1_000)
        assert 250 <= len(some) <= 1_000
        assert len(some.unique()) == len(some)
        assert some[0] == 0
        assert large.numel() - int(some[-1]) <= 2 * int(some.diff().max())  # nothing more is left out at the end
    pieces = spread(torch.arange(1 << 16).reshape(256, 256), 1_000) % 256
    assert len(pieces.unique()) > 100  # not always the same columns


def test_features_and_diversity_against_loops() -> None:
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 50.0, 0.0]) + 3
    deviations = [float(x[:, j].double().std(correction=0)) for j in range(2)]
    means = [abs(float(x[:, j].double().mean())) / deviations[j] for j in range(2)]
    assert features(x) == pytest.approx((max(deviations), min(deviations), max(means)))
    assert features(x[:7]) is None
    assert features(torch.ones(9, 2)) is None
    assert features(x.long()) is None
    y = torch.randn(6, 4, generator=torch.Generator().manual_seed(3)) + torch.arange(4) * 2
    within = fmean(float(y[:, j].var(correction=0)) for j in range(4)) ** 0.5
    assert diversity(y) == pytest.approx(within / float(y.std(correction=0)), rel=1e-5)
    assert diversity(y[:3]) is None
    assert diversity(torch.ones(4, 2)) == 0.0


# -- examples ----------------------------------------------------------------------------------------------------------

ROWS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=20)


@given(ROWS)
@settings(max_examples=40)
def test_marks_are_alike_for_the_same_example_only(rows: list[tuple[int, ...]]) -> None:
    for dtype in (torch.float32, torch.long):
        found = marks(torch.tensor(rows, dtype=dtype))
        assert [[a == b for b in found] for a in found] == [[a == b for b in rows] for a in rows]


@pytest.mark.parametrize("width", [1, 2, 7, 16, 63, 64, 65, 784])
def test_the_mark_of_an_example_does_not_depend_on_its_batch(width: int) -> None:
    x = torch.randn(33, width, generator=torch.Generator().manual_seed(4))
    whole = marks(x)
    for batch in (1, 2, 5, 32):
        assert [mark for part in x.split(batch) for mark in marks(part)] == whole
    assert marks(x.t().contiguous().t()) == whole
    order = torch.randperm(33, generator=torch.Generator().manual_seed(5))
    assert marks(x[order]) == [whole[i] for i in order.tolist()]
    assert len(set(whole)) == 33


def _batches(rows: list[tuple[int, ...]]) -> list[Tensor]:
    return list(torch.tensor(rows, dtype=torch.float32).split(4))


@given(ROWS, ROWS)
@settings(max_examples=40)
def test_examples_seen_are_sets(trained: list[tuple[int, ...]], evaluated: list[tuple[int, ...]]) -> None:
    seen = ExamplesSeen()
    for batch in _batches(trained):
        seen.train(seen.look(batch))
    for batch in _batches(evaluated):
        seen.evaluate(seen.look(batch))
    assert (seen.trained, seen.evaluated) == (len(trained), len(evaluated))
    assert (seen.distinct, seen.distinct_evaluated) == (len(set(trained)), len(set(evaluated)))
    assert seen.shared == len(set(trained) & set(evaluated))
    counts = Counter(trained)
    usual = sorted(counts.values())[len(counts) // 2]
    assert seen.repeated == pytest.approx(sum(n >= 1.6 * usual for n in counts.values()) / len(counts))
    known = [[row in counts for row in evaluated[i : i + 4]] for i in range(0, len(evaluated), 4)]
    none, every = sum(not any(k) for k in known), sum(all(k) for k in known)
    assert seen.batches == (none, len(known) - none - every, every)


def test_before_anything_is_drawn_there_is_nothing() -> None:
    seen = ExamplesSeen()
    assert (seen.distinct, seen.shared, seen.repeated, seen.batches) == (0, 0, 0.0, (0, 0, 0))


# -- curves and schedules ----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=70))
@settings(max_examples=60)
def test_a_curve_is_the_means_of_a_plain_list(values: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve, "SPANS", 8)
        kept = Curve()
        for value in values:
            kept.add(value)
    span = kept.span
    assert span & (span - 1) == 0
    assert len(kept.values) <= 8
    assert len(values) < 8 * span
    assert span == 1 or len(values) >= 4 * span
    means = [fmean(values[i : i + span]) for i in range(0, len(values), span)]
    assert kept.values == pytest.approx(means, abs=1e-9)
    assert (kept.count, kept.lowest, kept.not_finite) == (len(values), min(values), None)
    assert kept.first(3 * span) == pytest.approx(fmean(means[:3]), abs=1e-9)
    assert kept.last(2 * span) == pytest.approx(fmean(means[-2:]), abs=1e-9)
    assert kept.first(1) == pytest.approx(means[0])
    assert kept.last(1) == pytest.approx(means[-1])


@pytest.mark.parametrize("wrong", [nan, inf, -inf])
def test_a_curve_keeps_what_is_no_number(wrong: float) -> None:
    kept = Curve()
    for value in (3.0, 1.0, wrong, nan, 2.0):
        kept.add(value)
    assert kept.not_finite == 2
    assert kept.count == 5
    assert [math.isfinite(v) for v in kept.values] == [True, True, False, False, True]
    assert kept.lowest == min(1.0, wrong if wrong == -inf else 1.0)


@pytest.mark.parametrize(("first", "per_doubling"), [(4, 4), (1, 1), (10, 6)])
def test_looks_grow_as_the_logarithm_of_the_steps(first: int, per_doubling: int) -> None:
    schedule = LookSchedule(first=first, per_doubling=per_doubling)
    looks = [schedule.looks(step) for step in range(1 << 10)]
    assert all(looks[:first])
    for octave in range(6, 10):  # the same number between each step and its double
        assert sum(looks[1 << octave : 2 << octave]) == per_doubling
        assert looks[1 << octave]


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("wrong", [{"first": 0}, {"per_doubling": 0}, {"first": -3}], ids=str)
def test_a_schedule_without_looks_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        LookSchedule(**wrong)


# -- the constant guess ------------------------------------------------------------------------------------------------

LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse_loss": F.mse_loss,
    "l1_loss": F.l1_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "huber_loss": F.huber_loss,
}


@given(st.sampled_from(sorted(LOSSES)), st.lists(st.integers(-12, 12).map(lambda n: n / 4), min_size=1, max_size=12))
@settings(max_examples=30)
def test_no_constant_does_better_and_one_does_as_well(kind: str, values: list[float]) -> None:
    y = torch.tensor(values, dtype=torch.float64)
    constants = torch.linspace(-3, 3, 2_401, dtype=torch.float64)[:, None].expand(-1, len(y))
    best = float(LOSSES[kind](constants, y.expand_as(constants), reduction="none").mean(1).min())
    guess = constant_guess(kind, {}, values)
    assert guess is not None
    assert guess <= best + 1e-9
    assert guess == pytest.approx(best, abs=1e-4)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=12))
@settings(max_examples=30)
def test_the_best_constant_probability(values: list[float]) -> None:
    y = torch.tensor(values, dtype=torch.float64)
    p = torch.linspace(0, 1, 2_001, dtype=torch.float64)[:, None].expand(-1, len(y))
    best = float(F.binary_cross_entropy(p, y.expand_as(p), reduction="none").mean(1).min())
    for kind in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
        assert constant_guess(kind, {}, values) == pytest.approx(best, abs=1e-4)


@given(st.dictionaries(st.integers(0, 4), st.integers(1, 9), min_size=1, max_size=5))
@settings(max_examples=30)
def test_the_best_constant_scores(classes: dict[int, int]) -> None:
    y = torch.tensor([c for c, n in classes.items() for _ in range(n)])
    shares = torch.zeros(5).index_add(0, y, torch.ones(len(y))) / len(y)
    best = float(F.cross_entropy(shares.clamp_min(1e-30).log().expand(len(y), 5), y))
    for kind in ("cross_entropy", "nll_loss", "cross-entropy"):
        assert constant_guess(kind, classes, []) == pytest.approx(best, abs=1e-5)
    # any other scores do worse
    other = shares.clamp_min(1e-30).log() + 0.3 * torch.randn(5, generator=torch.Generator().manual_seed(6))
    assert float(F.cross_entropy(other.expand(len(y), 5), y)) >= best - 1e-6


def test_many_targets_keep_their_shares() -> None:
    guess = constant_guess("mse_loss", {0: 90_000, 1: 10_000}, [])
    assert guess == pytest.approx(0.09, rel=1e-3)
    assert constant_guess("mse_loss", {}, []) is None
    assert constant_guess("mse_loss", {}, [1.0, nan]) is None
    assert constant_guess("triplet_margin_loss", {}, [1.0, 2.0]) is None

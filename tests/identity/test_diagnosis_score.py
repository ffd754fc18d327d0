"""The scoring of diagnoses against examples counted by hand, and the rule that sets faults aside."""

import math
from dataclasses import astuple
from pathlib import Path

import pytest

from diagnosis_score import Said, Score, closes_half, f3, mean_score, score_by_code, score_by_name, wilson
from planted import Fault, Truth, apply_edits, faulty_source, known_causes, load_faults, split

RATE = Truth(frozenset({"rate-too-high", "momentum-out-of-range"}), frozenset({"HLR"}))
SCALE = Truth(frozenset({"not-standardised"}), frozenset({"CPP", "IWF"}))
GRAPH = Truth(frozenset({"graph-accumulated"}), frozenset())


def assert_score(score: Score | None, *figures: float) -> None:
    assert score is not None
    assert astuple(score) == pytest.approx(figures)


def test_one_right_and_one_wrong_of_two_truths() -> None:
    said = [Said("rate-too-high", ("HLR", "OCH"), "error"), Said("dead-units", ("ACH",), "warning")]
    by_name = score_by_name(said, [RATE, SCALE])
    assert_score(by_name, 1.0, 1 / 2, 1 / 2, 0.5)
    by_code = score_by_code(said, [RATE, SCALE])  # HLR right; OCH and ACH wrong
    assert_score(by_code, 1.0, 1 / 2, 1 / 3, 10 / 6 / (3 + 1 / 2))


def test_advice_says_nothing_and_silence_scores_zero() -> None:
    said = [Said("rate-too-high", ("HLR",), "advice")]
    assert score_by_name(said, [RATE]) == Score(0.0, 0.0, 0.0, 0.0)
    assert score_by_code(said, [RATE]) == Score(0.0, 0.0, 0.0, 0.0)


def test_two_names_of_one_truth_are_two_right_claims_and_one_truth() -> None:
    said = [Said("rate-too-high", ("HLR",), "error"), Said("momentum-out-of-range", ("HLR",), "warning")]
    assert_score(score_by_name(said, [RATE, SCALE]), 1.0, 1 / 2, 1.0, 5 / 9.5)
    assert_score(score_by_code(said, [RATE, SCALE]), 1.0, 1 / 2, 1.0, 5 / 9.5)


def test_a_fourth_code_is_not_heard() -> None:
    said = [Said("something-else", ("ACH", "LCH", "OCH", "HLR"), "error")]
    assert score_by_code(said, [RATE]) == Score(0.0, 0.0, 0.0, 0.0)


def test_a_truth_without_a_code_is_left_out_by_code() -> None:
    said = [Said("graph-accumulated", (), "warning")]
    assert score_by_name(said, [GRAPH]) == Score(1.0, 1.0, 1.0, 1.0)
    assert score_by_code(said, [GRAPH]) is None


@pytest.mark.parametrize(
    ("precision", "recall", "expected"),
    [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.29, 0.43, 1.247 / 3.04), (0.5, 0.0, 0.0), (0.0, 0.5, 0.0)],
)
def test_f3_weighs_recall_nine_times(precision: float, recall: float, expected: float) -> None:
    assert f3(precision, recall) == pytest.approx(expected)


def test_the_mean_is_of_each_figure() -> None:
    assert mean_score([Score(1, 1, 0.5, 0.2), Score(0, 0, 0, 0)]) == Score(0.5, 0.5, 0.25, 0.1)


def test_wilson_intervals_of_the_textbook() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)  # z²/(n + z²)
    assert wilson(5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)
    assert wilson(10, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(3, 50)  # both ends solve (p − 3/50)² = z²·p(1 − p)/50
    for end in (low, high):
        assert (end - 0.06) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / 50)


def test_half_of_the_gap() -> None:
    assert closes_half(healthy=0.9, faulty=0.1, repaired=0.5)
    assert not closes_half(healthy=0.9, faulty=0.1, repaired=0.49)
    assert closes_half(healthy=0.9, faulty=math.nan, repaired=0.2)
    assert not closes_half(healthy=0.9, faulty=0.1, repaired=math.nan)


def _fault(group: str, number: int) -> Fault:
    return Fault(f"{group}-{number}", "mlp", group, "worse", (RATE,), "", ())


def test_the_split_halves_every_group_whatever_the_order() -> None:
    faults = [_fault(group, number) for group, count in (("a", 7), ("b", 4), ("c", 3)) for number in range(count)]
    tuned, aside = split(faults)
    assert {fault.name for fault in tuned} | {fault.name for fault in aside} == {fault.name for fault in faults}
    assert (len(tuned), len(aside)) == (7, 7)
    for group, sizes in (("a", {3, 4}), ("b", {2}), ("c", {1, 2})):
        assert {sum(fault.group == group for fault in half) for half in (tuned, aside)} == sizes
    assert split(list(reversed(faults))) == (tuned, aside)


def test_an_edit_must_match_once() -> None:
    assert apply_edits("a = 1\nb = 2\n", [("1", "3"), ("b", "c")], "x") == "a = 3\nc = 2\n"
    with pytest.raises(ValueError, match="occurs 2 times"):
        apply_edits("a a", [("a", "b")], "x")
    with pytest.raises(ValueError, match="occurs 0 times"):
        apply_edits("a", [("b", "c")], "x")


def test_the_tables_use_known_words_and_keep_the_rule() -> None:
    folder = Path(__file__).parents[2] / "benchmarks" / "faulty_programs"
    tuned, opened, later, practice, aside, published = (
        load_faults(folder / f"planted_{part}.toml")
        for part in ("tuned", "opened", "opened_later", "practice", "set_aside", "published")
    )
    assert split(tuned + opened) == (tuned, opened)
    assert len(tuned) + len(opened) >= 66
    assert len(published) == 21
    faults = [*tuned, *opened, *later, *practice, *aside, *published]
    assert len({fault.name for fault in faults}) == len(faults)
    causes = known_causes()
    for fault in faults:
        assert all(truth.causes and truth.causes <= set(causes) for truth in fault.truths), fault.name
        assert fault.kind in ("worse", "method")
        compile(faulty_source(fault), fault.name, "exec")  # every edit matches once and leaves a program

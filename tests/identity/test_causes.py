"""Symptoms are folded into their causes, and no cause is ever lost."""

from hypothesis import given
from hypothesis import strategies as st

from sightline.diagnose import Findings, Record
from sightline.diagnose.causes import combined, findings
from sightline.diagnose.finding import ORDER, Finding, Severity


def finding(cause: str, *explains: str, severity: Severity = "warning", certainty: float = 0.5) -> Finding:
    return Finding(cause, severity, certainty, cause.upper(), "here", ("seen",), "why", "fix", explains=explains)


def names(*found: Finding) -> list[str]:
    return [each.cause for each in combined(found)]


def test_a_symptom_is_told_with_its_cause() -> None:
    (cause,) = combined([finding("b"), finding("a", "b", certainty=0.4)])
    assert (cause.cause, cause.also) == ("a", ("B",))


def test_symptoms_of_symptoms_too() -> None:
    assert names(finding("a", "b"), finding("b", "c"), finding("c")) == ["a"]


def test_advice_explains_nothing_away() -> None:
    assert names(finding("a", "b", severity="advice"), finding("b")) == ["b", "a"]


def test_of_two_that_explain_each_other_the_likelier_stays() -> None:
    assert names(finding("a", "b", certainty=0.6), finding("b", "a", certainty=0.7)) == ["b"]
    assert names(finding("a", "b", severity="error", certainty=0.6), finding("b", "a", certainty=0.7)) == ["a"]


def test_order_is_severity_then_certainty() -> None:
    assert names(
        finding("a", severity="advice", certainty=0.9),
        finding("b"),
        finding("c", certainty=0.6),
        finding("d", severity="error"),
    ) == ["d", "c", "b", "a"]


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abcdef")), st.sampled_from(ORDER), st.integers(1, 10)),
        min_size=1,
        max_size=6,
    )
)
def test_something_is_always_told_and_everything_once(drawn: list[tuple[set[str], Severity, int]]) -> None:
    found = [
        finding(cause, *sorted(explains - {cause}), severity=severity, certainty=certainty / 10)
        for cause, (explains, severity, certainty) in zip("abcdef", drawn, strict=False)
    ]
    kept = combined(found)
    assert any(each.severity != "advice" for each in kept) == any(each.severity != "advice" for each in found)
    told = [each.cause.upper() for each in kept] + [title for each in kept for title in each.also]
    assert sorted(told) == sorted(each.title for each in found)
    causes = {each.cause for each in kept}
    strong = [each for each in kept if each.severity != "advice"]
    assert not any(set(each.explains) & causes for each in strong)


def test_a_causes_name_stays_whole_in_the_terminal() -> None:
    for length in range(40, 90):
        one = Finding("rate-too-high", "warning", 0.5, "x" * length, "here", ("seen",), "why", "fix")
        assert "rate-too-high]" in str(Findings((one,), "Watched Net."))


def test_what_a_program_ended_with_is_told_in_one_sentence() -> None:
    told = str(findings(Record(stopped="IndexError: Target 5 is out of bounds.", backwards=1)))
    assert "The program ended with IndexError: Target 5 is out of bounds." in " ".join(told.split())
    assert ".." not in told

"""Fixes tried on planted faults help; on healthy loops a false finding is demoted."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from contract.test_rules import (
    AMOUNTS,
    CLASSES,
    DROPOUT,
    Program,
    adam,
    blobs,
    changed,
    mlp,
    never_zeroed,
    sgd,
    with_dropout,
)
from sightline.diagnose import ChangedWatch, Finding, Findings, Tried, findings
from sightline.diagnose.causes import told, with_tried
from sightline.diagnose.course import Course
from sightline.diagnose.fix_trial import MOST_TRIED, try_each


def again(program: Program) -> Callable[[Mapping[str, Any]], Course]:
    """The loop once more, in this process."""

    def run(change: Mapping[str, Any]) -> Course:
        watch = ChangedWatch(change)
        return Course.of(program.seen_by(lambda *_: watch).record, made=watch.made)

    return run


def tried(program: Program, found: Findings | None = None) -> Findings:
    record = program.watched()
    return try_each(findings(record) if found is None else found, Course.of(record), again(program))


PLANTED: dict[str, Program] = {
    "rate-too-high": replace(CLASSES, optimizer=sgd(300.0)),
    "rate-too-low": replace(CLASSES, optimizer=adam(1e-6)),
    "weight-decay-too-strong": replace(CLASSES, optimizer=sgd(0.1, weight_decay=2.0)),
    "gradients-not-zeroed": replace(CLASSES, update=lambda: never_zeroed, optimizer=sgd(1.0, momentum=0.9)),
    "dropout-too-strong": replace(DROPOUT, network=partial(with_dropout, 0.95)),
    "training-mode-in-evaluation": replace(
        DROPOUT, network=partial(with_dropout, 0.8), evaluated_in_training_mode=True
    ),
    "frozen-parameters": replace(CLASSES, network=changed(lambda name, p: p.requires_grad_(not name.startswith("2.")))),
    "probabilities-into-logits-loss": replace(
        CLASSES,
        network=lambda: mlp(nn.Softmax(1), out=8),
        data=lambda: blobs(classes=8, noise=0.2),
        optimizer=adam(3e-3),
    ),
    "output-cannot-reach-targets": replace(AMOUNTS, network=lambda: mlp(nn.Sigmoid(), out=1)),
    "not-standardised": replace(CLASSES, data=lambda: blobs(scale=100.0, shift=300.0)),
    "symmetric-weights": replace(CLASSES, network=changed(lambda _, p: p.fill_(0.1))),
    "dead-units": replace(
        CLASSES,
        data=lambda: blobs(scale=0.3),
        network=changed(lambda name, p: p.fill_(-2.5) if name == "0.bias" else p),
    ),
}


@pytest.mark.parametrize("cause", PLANTED)
def test_the_fix_of_a_planted_fault_helps(cause: str) -> None:
    found = tried(PLANTED[cause])
    (finding,) = [each for each in found if each.cause == cause]
    assert finding.tried is not None
    assert finding.tried.outcome == "helped", str(found)
    assert finding.severity != "advice"
    assert finding.tried.sentence in " ".join(str(found).split())
    assert Findings.from_dict(found.to_dict()) == found


def test_the_table_is_whole() -> None:
    assert len(PLANTED) == 12


def false_finding(change: Mapping[str, Any], **parts: Any) -> Finding:
    return Finding(
        **{
            "cause": "rate-too-high",
            "severity": "error",
            "certainty": 0.95,
            "title": "The learning rate is too high",
            "where": "the optimiser",
            "evidence": (),
            "why": "",
            "fix": "try less",
            "change": change,
            "explains": ("no-progress",),
            **parts,
        }
    )


SYMPTOM = Finding("no-progress", "warning", 0.5, "Nothing is learned", "", (), "", "look")


@pytest.mark.parametrize(
    ("program", "change", "outcome"),
    [(CLASSES, {"lr": 0.002}, "worse"), (AMOUNTS, {"eps": 1e-6}, "no difference")],
)
def test_a_false_finding_on_a_healthy_loop_becomes_advice(
    program: Program, change: Mapping[str, Any], outcome: str
) -> None:
    before = told([false_finding(change), SYMPTOM], "Watched Net.", trained=True)
    assert [finding.cause for finding in before] == ["rate-too-high"]
    assert before.verdict.startswith("The learning rate")
    after = tried(program, before)
    assert [(finding.cause, finding.severity) for finding in after] == [
        ("no-progress", "warning"),
        ("rate-too-high", "advice"),
    ]
    assert after.verdict.startswith("Nothing is learned")
    assert [finding.tried.outcome for finding in after if finding.tried is not None] == ["by hand", outcome]
    alone = told([false_finding(change)], "Watched Net.", trained=True)
    assert with_tried(alone, alone[0], Tried("worse", "")).verdict == "Nothing speaks against this training."


def test_at_most_three_are_tried_each_alone_and_once() -> None:
    every = [false_finding({"lr": 0.1 * k}, cause=f"cause-{k}", title=f"Title {k}", explains=()) for k in range(1, 6)]
    by_hand = false_finding({}, cause="by-hand", certainty=0.99, explains=())
    longer = false_finding({"epochs": 9}, cause="longer", certainty=0.98, explains=())
    made: list[Mapping[str, Any]] = []

    def run(change: Mapping[str, Any]) -> Course:
        made.append(change)
        return Course(64, 64, (0.1,) * 64, made=1)

    found = try_each(told([*every, by_hand, longer], "", trained=True), Course(64, 64, (1.0,) * 64), run)
    assert made == [{"lr": pytest.approx(0.1 * k)} for k in range(1, MOST_TRIED + 1)]
    outcomes = {finding.cause: finding.tried for finding in found}
    assert all(isinstance(each, Tried) for each in outcomes.values())
    told_of = {cause: (each.outcome, each.sentence) for cause, each in outcomes.items() if each is not None}
    words = {cause: sentence for cause, (outcome, sentence) in told_of.items() if outcome == "by hand"}
    not_tried = {cause: sentence for cause, (outcome, sentence) in told_of.items() if outcome == "not tried"}
    assert words.keys() == {"by-hand", "longer"}
    assert "has to be made by hand" in words["by-hand"]
    assert "training longer" in words["longer"]
    assert not_tried.keys() == {"cause-4", "cause-5"}
    assert all("not tried: at most 3" in sentence for sentence in not_tried.values())


def test_advice_and_healthy_loops_cost_no_run() -> None:
    def run(change: Mapping[str, Any]) -> Course:
        raise AssertionError(change)

    advice = told([false_finding({"lr": 0.1}, severity="advice")], "", trained=True)
    assert try_each(advice, Course.failed(""), run) == advice


def test_the_loops_own_stream_is_untouched_by_a_change() -> None:
    """The batches of a changed run are those of the unchanged one: the last draw after it is the same."""
    ends = []
    for change in ({}, {"lr": 0.001}, {"redraw": "0.weight"}, {"standardise": True}, {"zero_grad": True}):
        again(CLASSES)(change)
        ends.append(torch.rand(3))
    assert all(torch.equal(end, ends[0]) for end in ends)

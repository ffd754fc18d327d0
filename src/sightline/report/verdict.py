"""What a run came to, in a sentence: the cause of its trouble, or what it learned beyond a constant guess."""

from dataclasses import dataclass
from math import isfinite, sqrt

from sightline.report import text
from sightline.report.curves import series
from sightline.report.diagnosis_section import ALARMS, Diagnosis
from sightline.report.read import Evaluation, Metric, RunRecord

WELL = 0.5
"""Error over that of the best constant guess, up to which a network has learned well."""

LOSS_WELL, NOTHING = 0.7, 0.98
"""The same of a loss, which no network brings to 0: up to where it has learned well, and from where nothing."""


@dataclass(frozen=True)
class Verdict:
    """The first words of a page.

    Args:
        tone: "well", "part", "warning", "error", or "none" where nothing can be said yet.
        title: a few words.
        words: a sentence with the figure and what a trivial predictor has; "" where there is none.
        fix: the change to make; "" where there is none.
        more: findings of harm beside the first.
    """

    tone: str
    title: str
    words: str = ""
    fix: str = ""
    more: int = 0


def verdict(run: RunRecord, told: Diagnosis) -> Verdict:
    """Of a run: the first cause found with its fix; that it stopped; or the figure against a constant guess's.

    A network has learned well where its error is at most half of that of the best constant guess (of the commonest
    class, of the mean), or its loss at most 0.7 of that guess's; in part where it is clearly smaller, by two standard
    errors where these are known; and else nothing.

    Raises:
        KeyError, TypeError, ValueError: for values of another kind.

    Lecture: F14
    """
    words = _beyond_a_guess(run)
    if told.tone in ALARMS:
        return Verdict(told.tone, told.title, words[1] if words else "", told.fix, told.more)
    state = run.status["state"]
    if state == "failed":
        return Verdict("error", "The training failed")
    unfinished = {"running": "Still training", "interrupted": "Not finished"}
    if state in unfinished:
        return Verdict("none", unfinished[state], words[1] if words else "")
    if words is None:
        return Verdict(told.tone, told.title.rstrip(".")) if told.title else Verdict("none", "")
    tone, sentence = words
    titles = {"well": "Learned well", "part": "Learned in part", "warning": "Nothing was learned from the inputs"}
    return Verdict(tone, titles[tone], sentence)


def _beyond_a_guess(run: RunRecord) -> tuple[str, str] | None:
    """Tone and sentence; none where no trivial predictor is known."""
    shown = run.shown
    if shown is not None:
        by_name = {metric.name: metric for metric in shown.metrics}
        if "accuracy" in by_name and shown.confusion:
            return _of_classes(shown, by_name["accuracy"])
        if "r2" in by_name:
            return _of_numbers(shown, by_name["r2"], by_name.get("rmse"))
    return _of_loss(run)


def _of_classes(shown: Evaluation, accuracy: Metric) -> tuple[str, str] | None:
    counts = [sum(row) for row in shown.confusion]
    if not sum(counts) or not isfinite(accuracy.value):
        return None
    common = max(range(len(counts)), key=counts.__getitem__)
    base = counts[common] / sum(counts)
    name = text.visible(shown.classes[common])
    error = accuracy.standard_error or 0.0
    spread = sqrt(error**2 + base * (1 - base) / sum(counts))
    tone = "warning"
    if accuracy.value - base > 2 * spread:
        tone = "well" if 1 - accuracy.value <= WELL * (1 - base) else "part"
    figure = text.figure("accuracy", accuracy.value, accuracy.standard_error)
    return tone, (
        f"{text.upper_first(shown.split)} accuracy {figure}; always answering {name}, the commonest class, would have"
        f" {text.figure('accuracy', base)}."
    )


def _of_numbers(shown: Evaluation, r2: Metric, rmse: Metric | None) -> tuple[str, str] | None:
    if not isfinite(r2.value):
        return None
    tone = "warning"
    if r2.value > 2 * (r2.standard_error or 0.0):
        tone = "well" if 1 - r2.value <= WELL else "part"
    beside = ""
    if rmse is not None and r2.value < 1:
        unit = f" {rmse.unit}" if rmse.unit else ""
        guess = rmse.value / sqrt(1 - r2.value)
        beside = f" (RMSE {text.number(rmse.value, 3)} against {text.number(guess, 3)}{unit})"
    figure = text.figure("r2", r2.value, r2.standard_error)
    return tone, f"{text.upper_first(shown.split)} R² {figure}; always answering the mean would have 0{beside}."


def _of_loss(run: RunRecord) -> tuple[str, str] | None:
    """Of the watch's guess, in the training loss's units: the lowest look at the validation split, else training."""
    guess = run.diagnosis.watched.get("guess") if run.diagnosis is not None else None
    if guess is None or not float(guess) > 0:
        return None
    points = series(run.validation or run.training, "loss").points
    if not points:
        return None
    best = min(float(point["value"]) for point in points) if run.validation else float(points[-1]["value"])
    share = best / float(guess)
    tone = "well" if share <= LOSS_WELL else "part" if share < NOTHING else "warning"
    which = "lowest validation" if run.validation else "last training"
    return tone, (
        f"{text.upper_first(which)} loss {text.number(best, 3)}; the best constant guess would have"
        f" {text.number(float(guess), 3)}."
    )

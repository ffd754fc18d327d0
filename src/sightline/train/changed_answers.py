"""Which validation examples changed their class from look to look: kept while training, told at its end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.core.schema import Schema
from sightline.data import Data, Split
from sightline.objectives import Objective
from sightline.train.evaluation import keep_picture

ANSWERS, CHANGED = "readings/answers.json", "readings/changed.json"

MOST_EXAMPLES = 2000
"""The first so many of the validation split are followed."""

MOST_CHANGED = 12
"""Examples told at the end."""

MOST_LOOKS = 500
"""Later looks are not followed."""

SECONDS = 20.0
"""Between two writings of the file: a run that is killed loses no more than these of it."""


class ChangedAnswers:
    """A follower of the engine: at every look at the validation split it keeps the classes the network gave.

    It hears what the network answers to the look itself, so that it costs no pass of its own: an argmax over what is
    there, and now and then a file of a few kilobytes. ``readings/answers.json`` is ``{"steps", "first", "changes",
    "targets"}``: the classes at the first look, then for each later look ``[places, classes]`` of those that are others
    now.

    Args:
        folder: the run.
        model: the network that is looked at; its outputs are a number a class.
        split: the validation split, looked at in its order.
        num_classes: how many there are.

    Source: Toneva et al. 2019, "An Empirical Study of Example Forgetting during Deep Neural Network Learning"

    Lecture: F14
    """

    def __init__(self, folder: RunFolder, model: nn.Module, split: Split, num_classes: int) -> None:
        self.folder, self.model, self.num_classes = folder, model, num_classes
        self.targets = split.target[:MOST_EXAMPLES].tolist()
        self.heard: list[Tensor] = []
        self.kept: dict[str, Any] = {"steps": [], "first": [], "changes": [], "targets": self.targets}
        self.latest: list[int] = []
        self.written = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the network's answers in evaluation, for a ``with`` block; at its end, however it ends, all are written.

        Raises:
            RunFolderError: when they can't be written and nothing else went wrong.
        """
        handle = self.model.register_forward_hook(self._hear)
        try:
            yield
        except BaseException:
            with suppress(RunFolderError):  # what went wrong first is what is told
                self._write()
            raise
        finally:
            handle.remove()
        self._write()

    def _hear(self, module: nn.Module, inputs: object, output: Any) -> None:
        if module.training or torch.is_grad_enabled() or sum(map(len, self.heard)) >= len(self.targets):
            return
        if isinstance(output, Tensor) and output.dim() == 2 and output.shape[1] == self.num_classes:
            self.heard.append(output.argmax(1).cpu())

    def __call__(self, step: int) -> None:
        """Keep the answers of so many updates; those of later ones, of a run that was set back, are forgotten.

        Raises:
            RunFolderError: when the file can't be written.
        """
        heard, self.heard = self.heard, []
        answers = torch.cat(heard)[: len(self.targets)].tolist() if heard else []
        if len(answers) != len(self.targets):
            return
        if not self.kept["steps"] and self.folder.has(ANSWERS):
            self._go_on(step)
        if len(self.kept["steps"]) >= MOST_LOOKS:
            return
        if self.kept["steps"]:
            places = [i for i, (a, b) in enumerate(zip(self.latest, answers, strict=True)) if a != b]
            self.kept["changes"].append([places, [answers[i] for i in places]])
        else:
            self.kept["first"] = answers
        self.kept["steps"].append(step)
        self.latest = answers
        if time.monotonic() - self.written > SECONDS:
            self._write()

    def _write(self) -> None:
        if self.kept["steps"]:
            self.folder.write(ANSWERS, self.kept)
        self.written = time.monotonic()

    def _go_on(self, step: int) -> None:
        """From the looks of the part of the run before."""
        found = self.folder.read(ANSWERS)
        looks = sum(earlier < step for earlier in found["steps"])
        if not looks or found["targets"] != self.targets:
            return
        self.kept = {
            "steps": found["steps"][:looks],
            "first": found["first"],
            "changes": found["changes"][: looks - 1],
            "targets": self.targets,
        }
        self.latest = answers_by_look(self.kept)[-1]


def changed_answers_of(folder: RunFolder, model: nn.Module, data: Data, objective: Objective) -> ChangedAnswers | None:
    """What follows the answers of a run that tells a class of each example; none for others."""
    if objective.task != "classification" or data.schema.task != "classification":
        return None
    return ChangedAnswers(folder, model, data.validation, len(data.schema.classes))


def answers_by_look(kept: Mapping[str, Any]) -> list[list[int]]:
    """The class of every example at every look.

    Example:
        >>> answers_by_look({"first": [0, 1], "changes": [[[1], [0]], [[], []]]})
        [[0, 1], [0, 0], [0, 0]]
    """
    looks = [list(kept["first"])]
    for places, classes in kept["changes"]:
        now = list(looks[-1])
        for place, label in zip(places, classes, strict=True):
            now[place] = label
        looks.append(now)
    return looks


def most_changed(looks: Sequence[Sequence[int]], count: int) -> list[int]:
    """Examples whose class changed most often; of those that changed alike the one that changed last.

    Args:
        looks: the class of every example, look by look.
        count: how many at most; one that never changed is none of them.

    Example:
        >>> most_changed([[0, 0, 0], [0, 1, 1], [0, 0, 1]], 5)
        [1, 2]
    """
    changes, last = [0] * len(looks[0]), [0] * len(looks[0])
    for number, (before, now) in enumerate(pairwise(looks), start=1):
        for place, (a, b) in enumerate(zip(before, now, strict=True)):
            if a != b:
                changes[place], last[place] = changes[place] + 1, number
    found = sorted((p for p in range(len(changes)) if changes[p]), key=lambda p: (-changes[p], -last[p], p))
    return found[:count]


def write_changed(folder: RunFolder, split: Split, schema: Schema) -> None:
    """Write ``readings/changed.json`` from the answers kept, with pictures or rows of the examples; nothing without.

    Its ``"looks"`` are ``{"step", "changed", "forgotten"}``: shares of the examples that have another class than at the
    look before, and of those that were right then and are wrong now; its ``"examples"`` ``{"index", "target",
    "answers": [[step, class]], "changes", "picture", "row"}``, an answer wherever it changed.

    Raises:
        RunFolderError: when something can't be written.

    Lecture: F14
    """
    if not folder.has(ANSWERS):
        return
    kept = folder.read(ANSWERS)
    looks, steps, targets = answers_by_look(kept), kept["steps"], kept["targets"]
    if len(looks) < 2:
        return
    shares = []
    for step, (before, now) in zip(steps[1:], pairwise(looks), strict=True):
        other = [t for a, b, t in zip(before, now, targets, strict=True) if a != b and a == t]
        changed = sum(a != b for a, b in zip(before, now, strict=True))
        shares.append({"step": step, "changed": changed / len(now), "forgotten": len(other) / len(now)})
    examples = []
    for index in most_changed(looks, MOST_CHANGED):
        course = [look[index] for look in looks]
        turns = [k for k in range(len(course)) if k == 0 or course[k] != course[k - 1]]
        examples.append(
            {
                "index": index,
                "target": schema.classes[targets[index]],
                "answers": [[steps[k], schema.classes[course[k]]] for k in turns],
                "changes": len(turns) - 1,
                "picture": keep_picture(folder, split, index, f"samples/changed/{index}.png"),
                "row": split.row(index),
            }
        )
    folder.write(CHANGED, {"count": len(targets), "looks": shares, "examples": examples})

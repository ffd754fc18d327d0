"""The words in which a rule states a change that can be tried: what each does, and what may be compared after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from sightline.core.errors import ConfigurationError, near
from sightline.diagnose.tape import Plain

Measure = Literal["loss", "validation", "accuracy"]


@dataclass(frozen=True)
class Change:
    """A word of the vocabulary.

    Attributes:
        told: how it is said, with ``{}`` for the value.
        kind: of the value.
        measure: what it may be judged by: "loss", the training loss means the same with it and without; "validation",
            the training loss is measured under another noise, so validation decides; "accuracy", the loss itself is
            another function of the network's answers.
        forward: whether the first forward pass is another with it.
        positive: of a number: whether it has to be above 0; else it may be 0, and never less.
        below: of a number: it has to be less than this.
        words: those that may be given; none: any.
    """

    told: str
    kind: type
    measure: Measure = "loss"
    forward: bool = False
    positive: bool = False
    below: float = inf
    words: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """What it may be, in words.

        Example:
            >>> CHANGES["dropout"].wanted, CHANGES["epochs"].wanted
            ('a number from 0 to below 1', 'a whole number above 0')
        """
        if self.kind is bool:
            return "true"
        if self.kind is str:
            return " or ".join(self.words) or "a word"
        least = "above 0" if self.positive else "from 0 on"
        span = f"from 0 to below {self.below:g}" if self.below < inf else least
        return f"a {'whole ' if self.kind is int else ''}number {span}"

    def takes(self, value: Plain) -> bool:
        """Whether a value makes sense here; NaN and infinity never do.

        Example:
            >>> CHANGES["lr"].takes(0.1), CHANGES["lr"].takes(-1.0), CHANGES["lr"].takes(float("nan"))
            (True, False, False)
        """
        if self.kind is bool:
            return value is True
        if self.kind is str:
            return isinstance(value, str) and (value in self.words if self.words else bool(value.strip()))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return self.within(value) and (self.kind is float or value == int(value))

    def within(self, number: float) -> bool:
        """Whether a number is large enough and small enough."""
        return (number > 0 if self.positive else number >= 0) and number < self.below


CHANGES: dict[str, Change] = {
    "lr": Change("lr = {}", float, positive=True),
    "momentum": Change("momentum = {}", float, below=1.0),
    "betas": Change("betas = {}", str, below=1.0),
    "eps": Change("eps = {}", float),
    "weight_decay": Change("weight_decay = {}", float),
    "zero_grad": Change("gradients set to zero after each update", bool),
    "clip_norm": Change("gradients clipped to a norm of {}", float, positive=True),
    "dropout": Change("dropout of at most {}", float, "validation", True, below=1.0),
    "mode": Change("the network in {} mode", str, "validation", True, words=("training", "evaluation")),
    "standardise": Change("inputs standardised by the first batches", bool, forward=True),
    "redraw": Change("fresh initial weights for {}", str, forward=True),
    "train": Change("{} trained", str),
    "leaky_relu": Change("leaky ReLU of slope {} instead of ReLU", float, forward=True, below=1.0),
    "leave_out": Change("{} left out", str, "accuracy", True),
    "epochs": Change("{} epochs", int, positive=True),
}
"""What a change may say.

========================================= ==============================================================================
``lr``                                    the first optimiser's rate at its first update; all rates, also those that a
                                          schedule sets, by the same factor; rates that are not above 0 become it
``momentum, betas, eps, weight_decay``    in every parameter group that has such a number; betas as "(0.9, 0.999)"
``zero_grad``                             True: an optimiser's gradients are set to 0 after its update
``clip_norm``                             the norm of an optimiser's whole gradient is cut to this before its update
``dropout``                               the largest p of any dropout
``mode``                                  "training": of every pass with gradients; "evaluation": of every one without
``standardise``                           True: what a network is given, by mean and deviation of its first ten batches
``redraw``                                names of parameters: matrices anew with deviation √(2/fan-in), vectors 0
``train``                                 names of parameters: they need gradients, and the first optimiser has them
``leaky_relu``                            the slope below 0 that every ReLU gets
``leave_out``                             a function's name; ``module`` and ``site`` say where it is called
``epochs``                                of a run of Sightline's; in a program it is made by hand
========================================= ==============================================================================

Names are separated by ", ".
"""

PLACE = ("module", "site")


def checked(change: Mapping[str, Plain]) -> dict[str, Plain]:
    """A change, if it is one in these words.

    Raises:
        ConfigurationError: for an unknown word, a value of another kind, or a senseless number (lr = −1, NaN).

    Example:
        >>> checked({"lr": 0.01})
        {'lr': 0.01}
    """
    for word, value in change.items():
        if word in PLACE and "leave_out" in change and isinstance(value, str):
            continue
        if word not in CHANGES:
            raise ConfigurationError(
                expected="a change that can be tried", found=f"{word} = {value!r}", do=near(word, CHANGES)
            )
        if not CHANGES[word].takes(value):
            raise ConfigurationError(
                expected=f"{word}: {CHANGES[word].wanted}", found=repr(value), do="give such a value"
            )
    if "betas" in change:
        beta_pair(change)
    return dict(change)


def beta_pair(change: Mapping[str, Plain]) -> tuple[float, ...]:
    """Adam's two, out of their word.

    Raises:
        ConfigurationError: where they are not two numbers from 0 to below 1.

    Example:
        >>> beta_pair({"betas": "(0.9, 0.999)"})
        (0.9, 0.999)
    """
    try:
        found = tuple(float(part) for part in str(change["betas"]).strip("()[] ").split(","))
    except ValueError:
        found = ()
    if len(found) != 2 or not all(map(CHANGES["betas"].within, found)):
        raise ConfigurationError(
            expected="betas: two numbers, neither below 0, both below 1",
            found=repr(change["betas"]),
            do='write them as "(0.9, 0.999)"',
        )
    return found


def names_in(change: Mapping[str, Plain], word: str) -> tuple[str, ...]:
    """The parameters that a change names.

    Example:
        >>> names_in({"train": "0.weight, 0.bias"}, "train")
        ('0.weight', '0.bias')
    """
    return tuple(name for name in str(change.get(word, "")).split(", ") if name)


def told(change: Mapping[str, Plain]) -> str:
    """A change in words.

    Example:
        >>> told({"lr": 0.001, "momentum": 0.9})
        'lr = 0.001, momentum = 0.9'
        >>> told({"train": "a, b, c, d"})
        'a, b, c and 1 more trained'
    """
    words = []
    for word, value in change.items():
        if word in PLACE:
            continue
        named = names_in(change, word) if word in ("redraw", "train") else ()
        if len(named) > 3:
            value = f"{', '.join(named[:3])} and {len(named) - 3} more"
        words.append(CHANGES[word].told.format(f"{value:g}" if isinstance(value, float) else value))
    return ", ".join(words)


def measure_of(change: Mapping[str, Plain]) -> Measure:
    """What a run with a change may be judged by, against one without.

    Example:
        >>> measure_of({"lr": 0.1}), measure_of({"lr": 0.1, "dropout": 0.1})
        ('loss', 'validation')
    """
    found = {CHANGES[word].measure for word in change if word not in PLACE}
    return "accuracy" if "accuracy" in found else "validation" if "validation" in found else "loss"


def changes_forward(change: Mapping[str, Plain]) -> bool:
    """Whether the very first loss may be another with it."""
    return any(CHANGES[word].forward for word in change if word not in PLACE)


def in_a_program(change: Mapping[str, Plain]) -> bool:
    """Whether a watch can make it in a program that stays as it is: known words, with values that make sense."""
    known = (word in CHANGES and CHANGES[word].takes(value) for word, value in change.items() if word not in PLACE)
    return bool(change) and "epochs" not in change and all(known)

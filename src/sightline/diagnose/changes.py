"""The words in which a rule states a change that can be tried: what each does, and what may be compared after it."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """

    told: str
    kind: type
    measure: Measure = "loss"
    forward: bool = False


CHANGES: dict[str, Change] = {
    "lr": Change("lr = {}", float),
    "momentum": Change("momentum = {}", float),
    "betas": Change("betas = {}", str),
    "eps": Change("eps = {}", float),
    "weight_decay": Change("weight_decay = {}", float),
    "zero_grad": Change("gradients set to zero after each update", bool),
    "clip_norm": Change("gradients clipped to a norm of {}", float),
    "dropout": Change("dropout of at most {}", float, "validation", True),
    "mode": Change("the network in {} mode", str, "validation", True),
    "standardise": Change("inputs standardised by the first batches", bool, forward=True),
    "redraw": Change("fresh initial weights for {}", str, forward=True),
    "train": Change("{} trained", str),
    "leaky_relu": Change("leaky ReLU of slope {} instead of ReLU", float, forward=True),
    "leave_out": Change("{} left out", str, "accuracy", True),
    "epochs": Change("{} epochs", int),
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
MODES = ("training", "evaluation")


def checked(change: Mapping[str, Plain]) -> dict[str, Plain]:
    """A change, if it is one in these words.

    Raises:
        ConfigurationError: for an unknown word, or a value of another kind.

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
        kind = CHANGES[word].kind
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) if kind in (float, int) else False
        if not fits and (not isinstance(value, kind) or (word == "mode" and value not in MODES)):
            wanted = " or ".join(MODES) if word == "mode" else {float: "a number", int: "a number"}.get(kind, "a word")
            raise ConfigurationError(
                expected=f"{word}: {'true' if kind is bool else wanted}", found=repr(value), do="give such a value"
            )
    if "betas" in change:
        beta_pair(change)
    return dict(change)


def beta_pair(change: Mapping[str, Plain]) -> tuple[float, ...]:
    """Adam's two, out of their word.

    Raises:
        ConfigurationError: where they are no two numbers.

    Example:
        >>> beta_pair({"betas": "(0.9, 0.999)"})
        (0.9, 0.999)
    """
    try:
        found = tuple(float(part) for part in str(change["betas"]).strip("()[] ").split(","))
    except ValueError:
        found = ()
    if len(found) != 2:
        raise ConfigurationError(
            expected="betas: two numbers", found=repr(change["betas"]), do='write them as "(0.9, 0.999)"'
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
    """Whether a watch can make it in a program that stays as it is."""
    return bool(change) and "epochs" not in change and all(word in CHANGES or word in PLACE for word in change)

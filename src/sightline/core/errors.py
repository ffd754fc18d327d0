"""Errors a user can act on: what was expected, what was found, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class SightlineError(Exception):
    """A mistake its user can mend, in three parts.

    Args:
        expected: what the program needed, in the user's words.
        found: what was there instead: the value, the shape, the file and line.
        do: the next thing to try.

    Example:
        >>> print(SightlineError(expected="a folder", found="no file 'x'", do="check the path"))
        expected:   a folder
        found:      no file 'x'
        what to do: check the path
    """

    exit_code = 2
    """What the command line returns to the shell."""

    def __init__(self, *, expected: str, found: str, do: str) -> None:
        super().__init__(expected, found, do)
        self.expected, self.found, self.do = expected, found, do

    def __str__(self) -> str:
        return f"expected:   {self.expected}\nfound:      {self.found}\nwhat to do: {self.do}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.expected, self.found, self.do))


def _rebuild(kind: type[SightlineError], expected: str, found: str, do: str) -> SightlineError:
    return kind(expected=expected, found=found, do=do)


class ConfigurationError(SightlineError):
    """A configuration field is unknown, of the wrong type, or out of its range."""


class UnknownNameError(SightlineError):
    """A name that no registry entry carries."""


class DataError(SightlineError):
    """A data set that can't be read, or can't be used for what was asked."""


class InputError(SightlineError):
    """A tensor that a network or a layer can't take: its shape, or its number format."""


class RunFolderError(SightlineError):
    """A run folder that is missing, locked, unwritable, or lacks a file."""


class CheckpointError(SightlineError):
    """A checkpoint that is truncated, altered, or made for another model."""


class NonFiniteLossError(SightlineError):
    """The loss became NaN or infinite: the run has failed, its last good checkpoint stands."""

    exit_code = 1


def near(name: str, known: Iterable[str]) -> str:
    """A sentence naming the entries closest to a misspelt name.

    Example:
        >>> near("resnt", ["mlp", "resnet"])
        "did you mean 'resnet'?"
    """
    names = sorted(known)
    close = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    if not names:
        return "there is none to choose from"
    more = f", … ({len(names)} in all)" if len(names) > 12 else ""
    return "choose one of: " + ", ".join(names[:12]) + more

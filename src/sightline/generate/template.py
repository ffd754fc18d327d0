"""The text around an example and its label, with places in braces."""

import string
from collections.abc import Mapping
from dataclasses import dataclass

from sightline.core.errors import ConfigurationError, DataError, near

LABEL = "label"
"""The template's word for the place of the label."""

Fields = Mapping[str, str]
"""The texts of one example by their names in the template."""


@dataclass(frozen=True)
class Template:
    """A text with named places in braces: "{text} It was {label}."

    Without ``{label}`` the label stands at the end after a space. A brace that is meant as such is doubled.

    Args:
        text: with a place for the example at least, and at most one for the label.

    Raises:
        ConfigurationError: for a text without a place for the example, with its label twice, or with places that are
            no names.

    Lecture: P2

    Example:
        >>> Template("{text} It was {label}.").around({"text": "A gem."})
        ('A gem. It was', ' ', '.')
    """

    text: str

    def __post_init__(self) -> None:
        try:
            parts = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise ConfigurationError(
                expected="a template with places in braces: '{text} It was {label}'",
                found=f"{self.text!r}: {error}",
                do="double a brace that is meant as such: {{",
            ) from error
        names = [name for _, name, _, _ in parts if name is not None]
        plain = all(not spec and not conversion for _, name, spec, conversion in parts if name is not None)
        if not plain or not all(name.isidentifier() for name in names) or names.count(LABEL) > 1:
            raise ConfigurationError(
                expected="a template with named places and at most one {label}",
                found=repr(self.text),
                do="write '{text} It was {label}'",
            )
        if not self.fields:
            raise ConfigurationError(
                expected="a template with a place for the example",
                found=repr(self.text),
                do="write '{text} It was'",
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its places, the label's left out."""
        return tuple(dict.fromkeys(name for _, name in self._parts if name not in (None, LABEL)))

    def around(self, example: Fields) -> tuple[str, str, str]:
        """What stands before an example's label, the white space between them, and what stands after it.

        Raises:
            DataError: where a text of the example is missing.
        """
        missing = [name for name in self.fields if name not in example]
        if missing:
            raise DataError(
                expected=f"a text for {{{missing[0]}}} in every example",
                found="texts for " + (", ".join(example) or "none"),
                do=near(missing[0], example),
            )
        place = [name for _, name in self._parts].index(LABEL)
        written = [text + (example[name] if name not in (None, LABEL) else "") for text, name in self._parts]
        literal = self._parts[place][0]
        gap = literal[len(literal.rstrip()) :]
        return "".join(written[: place + 1]).removesuffix(gap), gap, "".join(written[place + 1 :])

    def require_label_last(self) -> None:
        """Refuse a place behind the label's, which a model of next tokens can't see.

        Raises:
            ConfigurationError: naming it.
        """
        names = [name for _, name in self._parts]
        later = [name for name in names[names.index(LABEL) + 1 :] if name is not None]
        if later:
            raise ConfigurationError(
                expected="the label after all fields, for a model of next tokens, which only looks back",
                found=f"{{{later[0]}}} after it in {self.text!r}",
                do="put {label} at the end",
            )

    @property
    def _parts(self) -> list[tuple[str, str | None]]:
        """Literal texts, each with the name of the place behind it; the label's is there."""
        whole = self.text
        if not any(name == LABEL for _, name, _, _ in string.Formatter().parse(whole)):
            whole += " {" + LABEL + "}"
        return [(text, name) for text, name, _, _ in string.Formatter().parse(whole)]

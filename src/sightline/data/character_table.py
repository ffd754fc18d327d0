"""Characters and their ids, looked up all at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

ONE_CHARACTER = r"[\s\S]"
"""The pattern that cuts a text into single characters."""

REPLACEMENT = 0xFFFD
"""The code point that stands for an id which is no character."""


class CharacterTable:
    """Each Unicode character's id in one array, and each id's character in another.

    Args:
        ids: of the characters.
        unknown: the id of all other characters.

    Lecture: W1

    Example:
        >>> table = CharacterTable({"a": 1, "é": 2}, unknown=0)
        >>> table.encode("éa!").tolist(), table.decode(np.array([2, 1]))
        ([2, 1, 0], 'éa')
    """

    def __init__(self, ids: Mapping[str, int], unknown: int) -> None:
        characters = np.array([ord(character) for character in ids], dtype=np.int64)
        tokens = np.array(list(ids.values()), dtype=np.int32)
        self._tokens = np.full(characters.max(initial=0) + 2, unknown, dtype=np.int32)  # the last: all beyond
        self._tokens[characters] = tokens
        self._characters = np.full(max(tokens.max(initial=0), unknown) + 1, REPLACEMENT, dtype="<u4")
        self._characters[tokens] = characters

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """One id a character.

        Raises:
            UnicodeEncodeError: where the text holds half of a surrogate pair.
        """
        codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        ids: npt.NDArray[np.int32] = self._tokens[np.minimum(codes, len(self._tokens) - 1)]
        return ids

    def decode(self, ids: npt.NDArray[np.int64]) -> str:
        """The text of some ids."""
        return self._characters[ids].tobytes().decode("utf-32-le")


def character_table(
    saved: Mapping[str, Any], vocabulary: Mapping[str, int], special: Mapping[str, int], unknown: str | None
) -> CharacterTable | None:
    """The look-up for a tokenizer.json whose tokens are single characters; none for any other.

    Args:
        saved: the file.
        vocabulary: its tokens with their ids.
        special: the special ones among them.
        unknown: the token of a character that is none of them.
    """
    cut: Any = saved.get("pre_tokenizer") or {}
    pattern = cut.get("pattern") if cut.get("type") == "Split" else None
    letters = {name: token for name, token in vocabulary.items() if name not in special}
    if pattern != {"Regex": ONE_CHARACTER} or unknown is None or any(len(name) != 1 for name in letters):
        return None
    return CharacterTable(letters, vocabulary[unknown])

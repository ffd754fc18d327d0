"""Tokens as text while they come, without half a character."""

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"
"""What decoding puts in the place of bytes that are no character, or not yet."""


class TextStream:
    """Gives each new token's text as soon as it is settled.

    A token of a byte-level tokenizer may hold a part of a character only: its text waits for the rest. What is given,
    put together, is the decoded text. A new token costs the decoding of a few tokens, however long the text is.

    Args:
        decode: from token numbers to text, such as ``Tokenizer.decode``.

    Lecture: X8

    Example:
        >>> stream = TextStream(lambda tokens: bytes(tokens).decode(errors="replace"))
        >>> [stream.add(byte) for byte in "a€b".encode()], stream.finish()
        (['a', '', '', '€', 'b'], '')
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._given = 0

    def add(self, token: int) -> str:
        """The text that is settled with this token; it may be empty."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        settled = text.removesuffix(UNFINISHED)
        new, self._given = settled[self._given :], max(self._given, len(settled))
        if settled == text and new:
            # the newest tokens stay, since how a token is written may depend on the one before
            self._tokens = self._tokens[-1:]
            self._given = len(self._decode(self._tokens))
        return new

    def finish(self) -> str:
        """What was still waiting, at the end of the text."""
        new = self._decode(self._tokens)[self._given :]
        self._tokens, self._given = [], 0
        return new

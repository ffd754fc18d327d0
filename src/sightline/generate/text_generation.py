"""Decoding from text to text: the tokenizer before and after :func:`generate`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from numbers import Integral
from typing import Any

from torch import nn

from sightline.core.errors import ConfigurationError, DataError, InputError, near
from sightline.core.kinds import require_kind
from sightline.data.frame import source_frame, text_frame
from sightline.data.tokenizer import Tokenizer
from sightline.generate.continuation import Continuation
from sightline.generate.generation import generate
from sightline.generate.rules import Banned
from sightline.generate.text_stream import TextStream

METHODS = ("temperature", "top_k", "top_p", "beam", "width", "num_beams", "length_penalty", "num_results", "greedy")
"""Words for what a method is built with."""


@dataclass(frozen=True)
class Passage:
    """A prompt and what was written after it.

    Args:
        prompt: as it was given.
        text: the new text; special tokens are left out.
        continuation: its tokens and their log-probability.
        others: of a beam search, the texts of the next best ones.
    """

    prompt: str
    text: str
    continuation: Continuation
    others: tuple[str, ...] = ()


def generate_text(
    model: nn.Module,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    before: Sequence[int] = (),
    stream: Callable[[int, str], None] | None = None,
    **options: Any,
) -> list[Passage]:
    """Write on after each text; of an encoder-decoder, the other text of each source.

    A text ends at the tokenizer's end token, unless ``end`` says otherwise. Tokens that a network has beyond the
    tokenizer's (tables filled up to a round number) never come.

    Args:
        model: a network of next tokens, or an encoder-decoder.
        tokenizer: the one it was trained with.
        prompts: texts; an empty one begins with the tokenizer's begin token.
        before: tokens to set before each prompt, as the network saw them before each document.
        stream: called with (prompt, text) of new text as soon as it is settled; never with half a character.
        options: those of :func:`generate`.

    Returns:
        one passage a prompt

    Raises:
        SightlineError: those of :func:`generate`; ``DataError`` for a token of a prompt that the model does
            not have.

    Lecture: X8

    Example:
        >>> from sightline.data.train_tokenizer import train_tokenizer
        >>> from sightline.models.gpt import GPT
        >>> letters = train_tokenizer("characters", ["abc"], vocabulary_size=None)
        >>> model = GPT(vocabulary_size=letters.vocabulary_size, context_length=8, depth=1, width=8, num_heads=2)
        >>> passage = generate_text(model, letters, ["ab"], max_new_tokens=4)[0]
        >>> passage.prompt, len(passage.continuation.tokens) <= 4
        ('ab', True)
    """
    _require_kinds(tokenizer, prompts, before, stream, options)
    size = tokenizer.vocabulary_size
    wanted = int(getattr(model, "vocabulary_size", size))
    encoded = _encoded(model, tokenizer, prompts, tuple(before))
    _require_known(encoded, wanted, model, tokenizer)
    spare = range(size, wanted)
    ends = text_frame(tokenizer, 0).after
    options = {"end": ends, **options}
    if spare:
        options["rules"] = (*options.get("rules", ()), Banned(spare))
    streams = [TextStream(tokenizer.decode) for _ in prompts]

    def tell(row: int, token: int) -> None:
        text = streams[row].add(token)
        if text and stream is not None:
            stream(row, text)

    found = generate(model, encoded, stream=tell if stream is not None else None, **options)
    for row, waiting in enumerate(streams):
        rest = waiting.finish() if stream is not None else ""
        if rest and stream is not None:
            stream(row, rest)
    return [
        Passage(
            prompt,
            tokenizer.decode(one.tokens),
            one,
            tuple(tokenizer.decode(other.tokens) for other in one.others),
        )
        for prompt, one in zip(prompts, found, strict=True)
    ]


def _require_kinds(tokenizer: object, prompts: object, before: object, stream: object, options: dict[str, Any]) -> None:
    """Refuse what is no tokenizer, no texts, no tokens or no function, and options that there are not."""
    require_kind(tokenizer, Tokenizer, "tokenizer", "give the one the model was trained with", error=InputError)
    texts: Any = prompts
    require_kind(
        texts, (list, tuple), "prompts", "put a single text in a list", expected="texts in a list", error=InputError
    )
    for number, text in enumerate(texts):
        require_kind(text, str, f"prompt {number}", "give texts; for tokens there is generate", error=InputError)
    tokens: Any = before
    require_kind(tokens, (list, tuple), "before", "give before=[number]", expected="numbers of tokens in a list")
    for token in tokens:
        require_kind(token, Integral, "before", "give before=[number]", expected="numbers of tokens")
    if stream is not None and not callable(stream):
        raise ConfigurationError(
            expected="stream as a function of (prompt, text)", found=repr(stream), do="give one, or leave it out"
        )
    known = set(signature(generate).parameters) - {"model", "prompts", "stream"}
    strange = next((name for name in options if name not in known), None)
    if strange is not None:
        raise ConfigurationError(
            expected="an option of generate",
            found=strange,
            do="choose tokens by method=Sample(…) or method=Beam(…)" if strange in METHODS else near(strange, known),
        )
    if "max_new_tokens" not in options:
        raise ConfigurationError(expected="max_new_tokens", found="none", do="give max_new_tokens=100")


def _encoded(
    model: nn.Module, tokenizer: Tokenizer, prompts: Sequence[str], before: tuple[int, ...]
) -> list[list[int]]:
    """The prompts' tokens: framed as a source, or with what stands before a text."""
    after: tuple[int, ...] = ()
    if getattr(model, "text_task", None) == "encoder-decoder":
        frame = source_frame(tokenizer, 0)
        before, after = frame.before, frame.after
    encoded = []
    for number, prompt in enumerate(prompts):
        tokens = tokenizer.encode(prompt)
        if not tokens and not before:
            begin = text_frame(tokenizer, 0).before
            if not begin or after:
                raise InputError(
                    expected="a prompt with at least one token"
                    + ("" if after else ": this tokenizer has none that begins a text"),
                    found=f"prompt {number} is empty",
                    do="write some text",
                )
            tokens = list(begin)
        encoded.append([*before, *tokens, *after])
    return encoded


def _require_known(encoded: Sequence[Sequence[int]], wanted: int, model: nn.Module, tokenizer: Tokenizer) -> None:
    """Refuse a prompt with a token that the network does not have. Sizes may differ: some tables lack unused tokens."""
    for number, tokens in enumerate(encoded):
        beyond = next((token for token in tokens if token >= wanted), None)
        if beyond is not None:
            raise DataError(
                expected=f"a tokenizer of {wanted} tokens, the vocabulary of this {type(model).__name__}",
                found=f"one of {tokenizer.vocabulary_size} ({tokenizer.kind}), and token {beyond} in prompt {number}",
                do="give the tokenizer that the model was trained with",
            )

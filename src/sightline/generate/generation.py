"""Decoding: from prompts to new tokens, with any model of next tokens and any way of choosing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.kinds import a_kind
from sightline.core.memory import telling_memory
from sightline.core.seeds import Seeds
from sightline.generate.arguments import checked_ends, checked_limits, checked_prompts, require_options
from sightline.generate.beam_search import Beam, beam_search
from sightline.generate.cached_scores import CachedScores, FullScores
from sightline.generate.continuation import Continuation
from sightline.generate.greedy import Greedy
from sightline.generate.next_token_scores import RowScores, left_padded
from sightline.generate.rules import Rule, require_known
from sightline.generate.sampling import Sample
from sightline.generate.stepwise import Limits, Stream, decode_stepwise

MEMORY = (
    "texts of this length, side by side",
    "ask for fewer tokens, a narrower beam, or fewer texts at a time (batch_size)",
)
"""What decoding needs memory for, and how it needs less."""

Method = Greedy | Sample | Beam


@torch.inference_mode()
def generate(
    model: nn.Module | Callable[[Tensor, Tensor], Tensor],
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    method: Method | None = None,
    end: int | Sequence[int] = (),
    min_new_tokens: int = 0,
    rules: Sequence[Rule] = (),
    begin: int | None = None,
    window: bool = False,
    seed: int = 0,
    stream: Stream | None = None,
    batch_size: int = 32,
) -> list[Continuation]:
    """Write on after each prompt, until an end token or the most tokens.

    Networks of ours decode with a cache, in evaluation mode; of an encoder-decoder the prompts are the sources. Prompts
    of unequal length are filled up on the left (sources on the right) and not looked at there: each prompt's tokens are
    what it would get alone, as far as the rounding of a larger batch's products leaves the choice as it is. A sampled
    text depends on the seed, its prompt, and how many equal prompts stand before it, and on nothing else.

    Where speed matters give ``decoding_copy(model, dtype=torch.bfloat16)``: half the bytes are read at each step.
    Scores are widened to float32 before anything is chosen; they differ from float32's by about 1 %, so near ties may
    be decided otherwise.

    Args:
        model: a network of next tokens, an encoder-decoder, or any function scores(tokens (B, N) int64, present
            (B, N) bool) → (B, V).
        prompts: tokens of each prompt; their lengths may differ.
        max_new_tokens: most new tokens for each, the end token included.
        method: :class:`Greedy` (the default), :class:`Sample`, or :class:`Beam`.
        end: tokens that end a text.
        min_new_tokens: new tokens before an end token may come.
        rules: what may not come, such as :class:`NoRepeatedNgram`.
        begin: stands for a prompt without any token.
        window: past the context length go on with its last tokens only, read again at every step; otherwise texts that
            would be longer are refused.
        seed: of sampling.
        stream: called with (prompt, token) of each new token as soon as it is fixed; with beams when a prompt is done.
        batch_size: prompts decoded side by side, those of like length together and the first prompt's first; it bounds
            the memory of the cache. Scores that remember their rows (:class:`RowScores`) get all at once.

    Returns:
        the continuation of each prompt

    Raises:
        ConfigurationError: for a number out of its range, a network that has no next tokens, or a length beyond the
            context.
        InputError: for an empty prompt, a token that the model does not know, or scores that leave no choice.

    Lecture: X8

    Example:
        >>> count_up = lambda tokens, present: torch.eye(9)[(tokens[:, -1] + 1) % 9]
        >>> [found.tokens for found in generate(count_up, [[1], [5, 6]], max_new_tokens=3, end=8)]
        [(2, 3, 4), (7, 8)]
    """
    if not callable(model):
        raise InputError(
            expected="a network of next tokens, or a function that gives their scores",
            found=a_kind(model),
            do="give the network itself: run.model, or from_pretrained(…)",
        )
    method = Greedy() if method is None else method
    if not isinstance(method, Greedy | Sample | Beam):
        raise ConfigurationError(
            expected="a method: Greedy(), Sample(...) or Beam(...)", found=repr(method), do="import one of them"
        )
    require_options(rules, stream, batch_size, seed)
    ends = checked_ends(end)
    vocabulary_size = getattr(model, "vocabulary_size", None)
    given = checked_prompts(prompts, begin, vocabulary_size)
    limits = checked_limits(max_new_tokens, min_new_tokens, ends, len(given))
    require_known(ends, vocabulary_size, "end token")
    _require_fit(model, given, limits.longest, window)
    found: dict[int, Continuation] = {}
    with evaluating(model), telling_memory(*MEMORY):
        chances = _chances(given, limits.longest, seed) if isinstance(method, Sample) else _none(given, limits)
        for part in _parts(given, len(given) if isinstance(model, RowScores) else batch_size):
            scores, tokens, present = _start(model, [given[number] for number in part], limits.longest)
            options: dict[str, Any] = {"limits": limits, "rules": rules, "stream": stream, "numbers": part}
            if isinstance(method, Beam):
                texts = beam_search(scores, tokens, present, beam=method, **options)
            else:
                drawn = chances[part].to(tokens.device)
                texts = decode_stepwise(scores, tokens, present, chooser=method, chances=drawn, **options)
            found.update(zip(part, texts, strict=True))
    return [found[number] for number in range(len(given))]


def _parts(prompts: list[list[int]], size: int) -> list[list[int]]:
    """The prompts' numbers, those of like length together; the part with the first prompt is the first."""
    order = sorted(range(len(prompts)), key=lambda number: -len(prompts[number]))
    return sorted((sorted(order[start : start + size]) for start in range(0, len(order), size)), key=min)


def _require_fit(model: Any, prompts: list[list[int]], longest: int, window: bool) -> None:
    """Refuse a prompt or a length beyond the context before anything is decoded."""
    task = getattr(model, "text_task", None) if isinstance(model, nn.Module) else None
    most = max(map(len, prompts), default=0)
    if task == "decoder" and getattr(model, "num_outputs", None) is None:
        _require_room(model, most, longest, window)
    elif task == "encoder-decoder":
        _require_source_room(model, most, longest)


def _start(model: Any, prompts: list[list[int]], longest: int) -> tuple[Any, Tensor, Tensor]:
    """The scores, and the tokens they begin with."""
    task = getattr(model, "text_task", None)
    if not isinstance(model, nn.Module) or task is None:
        weight = next(model.parameters(), None) if isinstance(model, nn.Module) else None
        device = torch.device("cpu") if weight is None else weight.device
        return model, *left_padded(prompts, device=device)
    device = next(model.parameters()).device
    if task == "decoder" and getattr(model, "num_outputs", None) is None:
        most = max(map(len, prompts)) + longest - 1  # the last new token is never read
        tokens, present = left_padded(prompts, device=device)
        context: Any = model.context_length
        if context is not None and most > context:  # allowed only with a window
            return FullScores(model, window=context), tokens, present
        return CachedScores(model, capacity=most), tokens, present
    if task == "encoder-decoder":
        source, source_present = (side.flip(1) for side in left_padded([p[::-1] for p in prompts], device=device))
        start = torch.full((len(prompts), 1), int(model.start_token), device=device)  # type: ignore[arg-type]
        scores = CachedScores(model, capacity=longest, source=source, source_present=source_present)
        return scores, start, torch.ones_like(start, dtype=torch.bool)
    raise ConfigurationError(
        expected="a network that predicts next tokens: a decoder, or an encoder-decoder",
        found=f"{type(model).__name__}, {'an encoder' if task == 'encoder' else 'which tells the class of a text'}",
        do="train one on the task language or sequence: gpt, t5, bart or transformer",
    )


def _require_room(model: Any, prompt: int, longest: int, window: bool) -> None:
    """Refuse a prompt or a length that does not fit, where no window slides."""
    context = model.context_length
    if window or context is None or prompt + longest - 1 <= context:
        return
    if prompt > context:
        raise ConfigurationError(
            expected=f"prompts of at most {context} tokens, the context length of this {type(model).__name__}",
            found=f"one of {prompt} tokens",
            do="shorten the prompt, or let the window slide: window=True",
        )
    raise ConfigurationError(
        expected=f"a prompt and new tokens within {context} tokens, the context length of this {type(model).__name__}",
        found=f"a prompt of {prompt} and max_new_tokens = {longest}",
        do=f"ask for at most {context - prompt + 1} new tokens, or let the window slide: window=True",
    )


def _require_source_room(model: Any, source: int, longest: int) -> None:
    context = model.context_length
    if context is None:
        return
    if source > context:
        raise ConfigurationError(
            expected=f"sources of at most {context} tokens, the context length of this {type(model).__name__}",
            found=f"one of {source} tokens",
            do="cut the source into parts",
        )
    if longest > context:
        raise ConfigurationError(
            expected=f"at most {context} new tokens, the context length of this {type(model).__name__}",
            found=f"max_new_tokens = {longest}",
            do=f"ask for {context} at most",
        )


def _chances(prompts: list[list[int]], longest: int, seed: int) -> Float[Tensor, "batch longest"]:
    """Uniform numbers of each row from a stream of its own: of the seed, the prompt and its equals before it."""
    seeds, met, rows = Seeds(seed), dict[tuple[int, ...], int](), []
    for prompt in map(tuple, prompts):
        met[prompt] = met.get(prompt, 0) + 1
        generator = torch.Generator().manual_seed(seeds.number("sample", met[prompt], *prompt))
        rows.append(torch.rand(longest, generator=generator, dtype=torch.float64))
    return torch.stack(rows) if rows else torch.zeros(0, longest)


def _none(prompts: list[list[int]], limits: Limits) -> Tensor:
    return torch.zeros(len(prompts), limits.longest)


@contextmanager
def evaluating(model: object) -> Iterator[None]:
    """A network's parts in evaluation mode for a while, then each as it was; of anything else nothing changes.

    Example:
        >>> layer = nn.Dropout(0.5)
        >>> with evaluating(layer):
        ...     layer.training
        False
        >>> layer.training
        True
    """
    trained = [m for m in model.modules() if m.training] if isinstance(model, nn.Module) else []
    for module in trained:
        module.training = False
    try:
        yield
    finally:
        for module in trained:
            module.training = True

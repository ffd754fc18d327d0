"""How likely a model holds each label's text to be after a prompt.

Legend: B prompts, L labels, M tokens of the longest label, V vocabulary.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.words import one_of
from sightline.generate.generation import evaluating
from sightline.generate.next_token_scores import left_padded
from sightline.generate.rules import require_known

Score = Literal["sum", "mean"]


@torch.inference_mode()
def label_log_likelihoods(
    model: nn.Module, prompts: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], *, score: Score = "sum"
) -> Float[Tensor, "prompts labels"]:
    """log p(label | prompt) = Σ_i log p(label_i | prompt, label_1 … label_{i−1}), or its mean over the label's tokens.

    The sum is the label's likelihood; it favours labels of few tokens, which the mean does not. Each prompt is read
    once for all labels: its keys and values are kept.

    Args:
        model: a network of next tokens.
        prompts: tokens of each, at least one.
        labels: tokens of each label's text, at least one.
        score: "sum" or "mean".

    Returns:
        nats, (prompts, labels), in float64

    Raises:
        ConfigurationError: for a network of another kind.
        InputError: for an empty prompt or label, an unknown token, or more tokens than the context length.

    Source: Brown et al. 2020, "Language Models are Few-Shot Learners", §2.4

    Lecture: P2

    Example:
        >>> from sightline.models.gpt import GPT
        >>> model = GPT(vocabulary_size=7, context_length=8, depth=1, width=8, num_heads=2)
        >>> label_log_likelihoods(model, [[1, 2], [3]], [[4], [5, 6]]).shape
        torch.Size([2, 2])
    """
    one_of(score, get_args(Score), "score")
    if getattr(model, "text_task", None) != "decoder" or getattr(model, "num_outputs", None) is not None:
        raise ConfigurationError(
            expected="a network of next tokens, such as a GPT",
            found=type(model).__name__,
            do="with a masked language model put its mask at the label's place: masked_label_log_likelihoods",
        )
    _require_tokens(prompts, labels, model)
    most = max(map(len, labels))
    _require_context(model, max(map(len, prompts)) + most - 1)
    device = next(model.parameters()).device
    with evaluating(model):
        tokens, present = left_padded([list(p) for p in prompts], device=device)
        cache = model.new_cache(tokens.shape[1] + most - 1) if most > 1 else None  # type: ignore[operator]
        last = torch.zeros_like(present)
        last[:, -1] = True
        first = _log_probabilities(model(tokens, present=present, select=last, cache=cache))
        targets = torch.tensor([[*label, *[0] * (most - len(label))] for label in labels], device=device)
        real = torch.tensor([[i < len(label) for i in range(most)] for label in labels], device=device)
        found = torch.zeros(len(prompts), len(labels), most, dtype=torch.float64, device=device)
        found[:, :, 0] = first[:, targets[:, 0]]
        if cache is not None:
            found[:, :, 1:] = _after_first(model, present, cache, targets, real)
    found = found.where(real, 0.0)
    total = found.sum(2)
    return (total / real.sum(1) if score == "mean" else total).cpu()


def _after_first(model: nn.Module, present: Tensor, cache: Any, targets: Tensor, real: Tensor) -> Tensor:
    """log p of every label's tokens but the first, (B, L, M − 1): all labels after all prompts in one pass."""
    count, labels = len(present), len(targets)
    cache.select(torch.arange(count, device=present.device).repeat_interleave(labels))
    given = targets[:, :-1].repeat(count, 1)
    where = torch.cat([present.repeat_interleave(labels, 0), real[:, :-1].repeat(count, 1)], 1)
    asked = real[:, 1:].repeat(count, 1)
    chances = _log_probabilities(model(given, present=where, select=asked, cache=cache))
    wanted = targets[:, 1:].repeat(count, 1)[asked]
    found = torch.zeros(asked.shape, dtype=torch.float64, device=present.device)
    found[asked] = chances.gather(1, wanted[:, None])[:, 0]
    return found.view(count, labels, -1)


@torch.inference_mode()
def masked_label_log_likelihoods(
    model: nn.Module, prompts: Sequence[Sequence[int]], labels: Sequence[int], *, mask: int
) -> Float[Tensor, "prompts labels"]:
    """log p(label | text) at the one masked token of each text: what a masked language model fills in.

    Args:
        model: a masked language model.
        prompts: tokens of each text, of which exactly one is the mask.
        labels: the one token of each label.
        mask: the mask token.

    Returns:
        nats, (prompts, labels), in float64

    Raises:
        ConfigurationError: for a network of another kind.
        InputError: for a text without the mask or with two, an unknown token, or more tokens than the context length.

    Source: Schick & Schütze 2021, "Exploiting Cloze Questions for Few Shot Text Classification", §3

    Lecture: P2

    Example:
        >>> from sightline.models.bert import BERT
        >>> model = BERT(vocabulary_size=7, context_length=8, depth=1, width=8, num_heads=2)
        >>> masked_label_log_likelihoods(model, [[1, 6, 2], [6, 3]], [4, 5], mask=6).shape
        torch.Size([2, 2])
    """
    task = getattr(model, "task", "language")
    if getattr(model, "text_task", None) != "encoder" or task != "language":
        raise ConfigurationError(
            expected="a masked language model, such as a BERT",
            found=type(model).__name__ + ("" if task == "language" else f" for {task}"),
            do="use a BERT trained on the task language",
        )
    _require_tokens(prompts, [[label] for label in labels], model)
    for number, prompt in enumerate(prompts):
        if list(prompt).count(mask) != 1:
            raise InputError(
                expected=f"the mask token {mask} once in every text",
                found=f"{list(prompt).count(mask)} of them in text {number}",
                do="put the mask where the label is to stand",
            )
    _require_context(model, max(map(len, prompts)))
    device = next(model.parameters()).device
    with evaluating(model):
        tokens, present = (side.flip(1) for side in left_padded([list(p)[::-1] for p in prompts], device=device))
        outputs = model(tokens, present=present, select=(tokens == mask) & present)
    return _log_probabilities(outputs)[:, list(labels)].cpu()


def _log_probabilities(outputs: Any) -> Float[Tensor, "rows vocabulary"]:
    """log softmax in float64; of a model that also tells pairs apart, its tokens' outputs."""
    scores: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return scores.to(torch.float32 if scores.device.type == "mps" else torch.float64).log_softmax(1)


def _require_tokens(prompts: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], model: Any) -> None:
    if not prompts or not labels:
        raise InputError(
            expected="prompts and labels",
            found=f"{len(prompts)} prompts, {len(labels)} labels",
            do="give at least one of each",
        )
    for name, rows in (("prompt", prompts), ("label", labels)):
        for number, row in enumerate(rows):
            if not len(row):
                raise InputError(
                    expected=f"at least one token in every {name}", found=f"{name} {number} is empty", do="write some"
                )
            require_known(row, getattr(model, "vocabulary_size", None), f"in {name} {number}: token")


def _require_context(model: Any, longest: int) -> None:
    if model.context_length is not None and longest > model.context_length:
        raise InputError(
            expected=f"a prompt and label within {model.context_length} tokens, the context length of this "
            + type(model).__name__,
            found=f"{longest} tokens",
            do="give fewer shots, or cut the texts",
        )

"""What the networks for text share: token embeddings, positions, checks of tokens, a head on the tokens asked for.

Legend: B batch, N tokens, M tokens with those in the cache, D width, V vocabulary.
"""

from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.kinds import a_kind, with_article
from sightline.core.schema import Task
from sightline.models.predictor import Predictor

TextTask = Literal["decoder", "encoder", "encoder-decoder"]


class TextPredictor(Predictor):
    """A network on tokens: ``embedding`` turns each into D numbers, blocks mix them, ``head`` gives the outputs.

    Subclasses define ``features``, ``hidden_states`` and ``forward``. They call :meth:`check_tokens` on what they are
    given, since an embedding tells nobody which token it does not have.

    Shapes:
        tokens (batch, num_tokens) int64 → (batch, num_tokens, num_outputs); with ``select`` (selected, num_outputs);
        for the class of a whole text (batch, num_outputs)

    Args:
        vocabulary_size: V.
        width: D.
        context_length: most tokens in one text; none: any number.

    Raises:
        ConfigurationError: for a size below 1.

    Lecture: T4, T6
    """

    text_task: ClassVar[TextTask]
    """Whether tokens look back only, everywhere, or one text is read and another written."""

    context_length: int | None
    """Most tokens in one text; none: any number."""

    def __init__(self, *, vocabulary_size: int, width: int, context_length: int | None) -> None:
        super().__init__()
        sizes = {"vocabulary_size": vocabulary_size, "width": width, "context_length": context_length}
        for name, size in sizes.items():
            if size is not None and size < 1:
                raise ConfigurationError(expected=f"{name} of at least 1", found=f"{name} = {size}", do="count again")
        self.vocabulary_size, self.width, self.context_length = vocabulary_size, width, context_length
        self.embedding = nn.Embedding(vocabulary_size, width)

    task_parts: ClassVar[tuple[str, ...]] = ("head.",)
    """How the names of the weights begin that belong to one task: another task's network has others."""

    def hidden_states(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_tokens"] | None = None,
        segments: Int[Tensor, "batch num_tokens"] | None = None,
    ) -> list[Float[Tensor, "batch num_tokens width"]]:
        """Every token's vector on every level: the embedding's, then each block's; the last is what the head sees.

        Args:
            tokens: the texts.
            present: true where a token is text and not filling; none: everywhere.
            segments: the number of the sentence each token is in.

        Lecture: W4
        """
        raise NotImplementedError

    @classmethod
    def arguments_for(cls, task: Task, num_outputs: int | None) -> dict[str, Any]:
        """Constructor arguments by which a network of this class is one for a task.

        Args:
            task: what is to be predicted.
            num_outputs: classes; none where the task says how many.

        Raises:
            ConfigurationError: for a task that the class has no head for, or no number where one is needed.
        """
        raise ConfigurationError(
            expected=f"a task that {with_article(cls.__name__)} has a head for",
            found=f"{task} with " + ("no number of outputs" if num_outputs is None else f"num_outputs = {num_outputs}"),
            do="use a GPT or a BERT for classes of texts, a BERT for classes of tokens and for spans",
        )

    def check_tokens(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_keys"] | None = None,
        earlier: int = 0,
    ) -> None:
        """Refuse what is no text for this network.

        On an accelerator the numbers of the tokens are not looked at in training: it would wait for them at every step.

        Args:
            tokens: the new ones.
            present: true where a token is text and not filling, of the earlier and the new ones.
            earlier: tokens in the cache.

        Raises:
            InputError: for another shape or number format, no token, more than the context length, a token that the
                vocabulary does not have, or a ``present`` that does not fit.
        """
        is_tensor = isinstance(tokens, Tensor)
        if not is_tensor or tokens.ndim != 2 or tokens.dtype not in (torch.int64, torch.int32) or not tokens.shape[1]:
            raise InputError(
                expected="token numbers (batch, num_tokens) in torch.int64, at least 1 in a text",
                found=f"shape {tuple(tokens.shape)} in {tokens.dtype}" if is_tensor else a_kind(tokens),
                do="encode the texts with the network's tokenizer, and put them side by side",
            )
        total = earlier + tokens.shape[1]
        if self.context_length is not None and total > self.context_length:
            raise InputError(
                expected=f"at most {self.context_length} tokens, the context length of this {type(self).__name__}",
                found=f"{total} tokens" + (f", {earlier} of them in the cache" if earlier else ""),
                do="cut the text, or build the network with a longer context",
            )
        if present is not None and (present.dtype != torch.bool or present.shape != (len(tokens), total)):
            raise InputError(
                expected=f"present of shape {(len(tokens), total)} in torch.bool: one for each token, earlier ones too",
                found=f"shape {tuple(present.shape)} in {present.dtype}",
                do="give true for text and false for filling",
            )
        if (tokens.is_cpu or not self.training) and not torch.compiler.is_compiling():
            self._check_numbers(tokens)

    def _check_numbers(self, tokens: Tensor) -> None:
        if not tokens.numel() or tokens.device.type == "meta":
            return
        smallest, largest = torch.stack(tokens.aminmax()).tolist()
        if smallest < 0 or largest >= self.vocabulary_size:
            raise InputError(
                expected=f"token numbers from 0 to {self.vocabulary_size - 1}, the vocabulary of this network",
                found=f"token {smallest if smallest < 0 else largest}",
                do="encode the texts with the tokenizer that the network was trained with",
            )

    def token_positions(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_keys"] | None = None,
        earlier: int = 0,
    ) -> Int[Tensor, "#batch num_tokens"]:
        """Each token's position: the number of present tokens before it, those in the cache included.

        Args:
            tokens: the new ones.
            present: true where a token is text, of the earlier and the new ones; none: everywhere.
            earlier: tokens in the cache.

        Example:
            >>> network = TextPredictor(vocabulary_size=9, width=4, context_length=8)
            >>> network.token_positions(torch.zeros(1, 3).long(), present=torch.tensor([[False, True, True]])).tolist()
            [[0, 0, 1]]
        """
        if present is None:
            return torch.arange(earlier, earlier + tokens.shape[1], device=tokens.device)[None]
        return (present.cumsum(1) - present.long())[:, earlier:]

    def head_on(
        self,
        features: Float[Tensor, "batch ... width"],
        select: Bool[Tensor, "batch num_tokens"] | None = None,
    ) -> Float[Tensor, "... num_outputs"]:
        """The head's outputs for every token, or for the selected ones side by side: the product costs D·V a token.

        Args:
            features: of every token.
            select: true for the tokens that are asked for; none: all.

        Raises:
            InputError: for a ``select`` that does not fit.
        """
        if select is not None:
            if select.dtype != torch.bool or select.shape != features.shape[:2]:
                raise InputError(
                    expected=f"select of shape {tuple(features.shape[:2])} in torch.bool, for outputs of each token",
                    found=f"shape {tuple(select.shape)} in {select.dtype}",
                    do="give true for the tokens whose outputs are wanted",
                )
            features = features[select]
        outputs: Tensor = self.head(features)
        return outputs


def tied_head(embedding: nn.Embedding, *, bias: bool = False) -> nn.Linear:
    """logits = x Eᵀ + b: a linear head whose weight is the token embedding itself, one parameter in two places.

    Args:
        embedding: E, (V, D).
        bias: whether there is b; it starts at 0.

    Source: Press & Wolf 2017, "Using the Output Embedding to Improve Language Models"

    Lecture: T6

    Example:
        >>> embedding = nn.Embedding(9, 4)
        >>> tied_head(embedding).weight is embedding.weight
        True
    """
    vocabulary_size, width = embedding.weight.shape
    head = nn.Linear(width, vocabulary_size, bias=False, device="meta")  # a weight that would be thrown away
    head.weight = embedding.weight
    if bias:
        head.bias = nn.Parameter(embedding.weight.new_zeros(vocabulary_size))
    return head

"""Prompting: a model that was never trained on a task is asked by a text, with a few solved examples in it or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, DataError, InputError, near
from sightline.core.kinds import require_kind
from sightline.core.seeds import permutation
from sightline.core.words import one_of
from sightline.data.frame import class_frame, text_frame
from sightline.data.tokenizer import Tokenizer
from sightline.generate.label_likelihood import Score, label_log_likelihoods, masked_label_log_likelihoods
from sightline.generate.template import Fields, Template
from sightline.objectives.standard_error import Estimate, accuracy


@dataclass(frozen=True)
class Answers:
    """What a model answered to prompts.

    Args:
        classes: the most likely class of each example.
        log_likelihoods: of each example's labels, in nats; calibrated where that was asked for, (examples, labels).
        prompt: the first example's whole prompt.
        accuracy: share of right classes with its standard error.
        majority: share of the most frequent class: what answering it always would get.
    """

    classes: tuple[str, ...]
    log_likelihoods: Float[Tensor, "examples labels"]
    prompt: str
    accuracy: Estimate
    majority: float


@dataclass(frozen=True)
class FewShot:
    """Labels ranked by their likelihood in a prompt: argmax_c log p(label_c | shots, example).

    The template's places are named by fields: "{text} It was {label}."; without ``{label}`` the label stands at the end
    after a space. Shots are solved examples that fill the same template; there are as many of each class as of any
    other, or one more, drawn and put into order by the seed. With none it is zero-shot prompting. A model of next
    tokens is scored on the label, what follows it in the template counts in shots only; a masked language model fills
    in its mask at the label's place, where a label must be one token.

    Calibrated, the label's log-likelihood after the same prompt with empty fields is taken off: how much likelier the
    example makes the label, and not how likely it is anyway.

    Args:
        template: the text around an example's fields and its label.
        labels: the word of each class.
        shots: solved examples in the prompt.
        separator: between examples.
        score: "sum" or "mean" of the log-probabilities of a label's tokens.
        calibrate: whether to take off the label's prior.
        seed: draws the shots.

    Raises:
        ConfigurationError: for a template without a field or with its label twice, fewer than two labels, labels that
            are the same, or a negative number of shots.

    Source: Brown et al. 2020, "Language Models are Few-Shot Learners", §2; calibration after Zhao et al. 2021,
        "Calibrate Before Use", §4, here by a difference of log-likelihoods as Holtzman et al. 2021, "Surface Form
        Competition", §3

    Lecture: P2

    Example:
        >>> ask = FewShot("{text} It was {label}.", {"pos": "great", "neg": "bad"})
        >>> ask.solved({"text": "A gem."}, "pos")
        'A gem. It was great.'
    """

    template: str
    labels: Mapping[str, str]
    shots: int = 0
    separator: str = "\n"
    score: Score = "sum"
    calibrate: bool = False
    seed: int = 0
    _template: Template = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        one_of(self.score, get_args(Score), "score")
        require_kind(self.template, str, "template", "write '{text} It was'")
        require_kind(self.labels, Mapping, "labels", "give {'pos': 'great', 'neg': 'bad'}", expected="a word a class")
        require_kind(self.shots, Integral, "shots", "use 0 for none")
        require_kind(self.seed, Integral, "seed", "use 0")
        object.__setattr__(self, "_template", Template(self.template))
        words = list(self.labels.values())
        if len(words) < 2 or len(set(words)) < len(words) or not all(word.strip() for word in words):
            raise ConfigurationError(
                expected="a word for each of two classes or more, all different",
                found=", ".join(f"{name}={word}" for name, word in self.labels.items()) or "none",
                do="give every class a word of its own",
            )
        if self.shots < 0:
            raise ConfigurationError(expected="0 shots or more", found=f"shots = {self.shots}", do="use 0 for none")
        if abs(self.seed) >= 2**62:
            raise ConfigurationError(expected="a seed below 2⁶²", found=f"seed = {self.seed}", do="use 0")

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the template's places, the label's left out."""
        return self._template.fields

    def around(self, example: Fields) -> tuple[str, str, str]:
        """What stands before an example's label, the white space between them, and what stands after it."""
        return self._template.around(example)

    def solved(self, example: Fields, name: str) -> str:
        """An example with its label, as it stands in the prompt."""
        before, gap, after = self.around(example)
        return before + gap + self.labels[name] + after

    def draw_shots(self, classes: Sequence[str]) -> list[int]:
        """Which training examples are solved in the prompt, by their classes: balanced, in an order by chance.

        Raises:
            DataError: where a class has too few examples.

        Example:
            >>> ask = FewShot("{text}", {"a": "A", "b": "B"}, shots=4)
            >>> rows = ask.draw_shots(["a"] * 5 + ["b"] * 5)
            >>> sum(row < 5 for row in rows)
            2
        """
        order = permutation(len(classes), self.seed).tolist()
        names = [list(self.labels)[i] for i in permutation(len(self.labels), self.seed + 1).tolist()]
        wanted = {name: self.shots // len(names) + (i < self.shots % len(names)) for i, name in enumerate(names)}
        chosen = []
        for name, count in wanted.items():
            rows = [row for row in order if classes[row] == name]
            if len(rows) < count:
                raise DataError(
                    expected=f"{count} examples of the class {name!r} for {self.shots} shots",
                    found=f"{len(rows)}",
                    do="ask for fewer shots, or give more examples",
                )
            chosen += rows[:count]
        drawn = set(chosen)
        return [row for row in order if row in drawn]

    def ask(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        examples: Sequence[Fields],
        *,
        classes: Sequence[str],
        shots: Sequence[tuple[Fields, str]] = (),
        batch_size: int = 16,
    ) -> Answers:
        """Ask for every example's class.

        Args:
            model: a network of next tokens, or a masked language model.
            tokenizer: the one it was trained with.
            examples: their texts by field.
            classes: the right class of each.
            shots: solved examples, in the prompt's order.
            batch_size: prompts side by side.

        Raises:
            DataError: for no example, or a class without a label.
            SightlineError: for a model, a label or a prompt that can't be scored.
        """
        for example in examples:
            require_kind(example, Mapping, "examples", "give [{'text': …}]", expected="texts by field", error=DataError)
        if not examples or len(examples) != len(classes):
            raise DataError(
                expected="examples, and the class of each",
                found=f"{len(examples)} examples, {len(classes)} classes",
                do="give both",
            )
        unknown = next((name for name in [*classes, *(name for _, name in shots)] if name not in self.labels), None)
        if unknown is not None:
            raise DataError(
                expected="a label for every class: " + ", ".join(self.labels),
                found=f"the class {unknown!r} without one",
                do=near(unknown, self.labels),
            )
        context = self._solved(shots)
        order = sorted(range(len(examples)), key=lambda row: sum(map(len, examples[row].values())))
        found = torch.zeros(len(examples), len(self.labels), dtype=torch.float64)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            found[rows] = self._score(model, tokenizer, context, [examples[row] for row in rows])
        if self.calibrate:
            found = found - self._score(model, tokenizer, context, [dict.fromkeys(self.fields, "")])
        lost = found.isnan().any(1).nonzero()[:, 0]
        if len(lost):
            raise InputError(
                expected="a likelihood for every label",
                found=f"NaN in example {int(lost[0]) + 1}",
                do="the model's weights are not finite: take an earlier checkpoint",
            )
        names = list(self.labels)
        chosen = found.argmax(1)
        right = torch.tensor([names.index(name) for name in classes])
        before, gap, after = self.around(examples[0])
        ending = gap + "[mask]" + after if getattr(model, "text_task", None) == "encoder" else ""
        return Answers(
            classes=tuple(names[i] for i in chosen.tolist()),
            log_likelihoods=found,
            prompt=context + before + ending,
            accuracy=accuracy(chosen, right),
            majority=float(right.bincount().max()) / len(right),
        )

    def too_long(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        examples: Sequence[Fields],
        *,
        shots: Sequence[tuple[Fields, str]] = (),
    ) -> list[int]:
        """Which examples don't fit into the model's context, with the shots and the longest label.

        Args:
            model: as in :meth:`ask`, and so are the others.
            tokenizer: the one it was trained with.
            examples: their texts by field.
            shots: solved examples.

        Returns:
            their numbers, from 0, in order
        """
        context = getattr(model, "context_length", None)
        if context is None or not examples:
            return []
        prompts, labels = self._encoded(model, tokenizer, self._solved(shots), examples)
        label = 1 if getattr(model, "text_task", None) == "encoder" else max(map(len, labels))
        return [number for number, prompt in enumerate(prompts) if len(prompt) + label - 1 > context]

    def _solved(self, shots: Sequence[tuple[Fields, str]]) -> str:
        """The solved examples that stand before the question."""
        return "".join(self.solved(fields, name) + self.separator for fields, name in shots)

    def _score(
        self, model: nn.Module, tokenizer: Tokenizer, context: str, examples: Sequence[Fields]
    ) -> Float[Tensor, "examples labels"]:
        """The labels' log-likelihoods after each example's prompt."""
        prompts, labels = self._encoded(model, tokenizer, context, examples)
        if getattr(model, "text_task", None) != "encoder":
            return label_log_likelihoods(model, prompts, labels, score=self.score)
        mask = tokenizer.special("mask")
        assert mask is not None
        return masked_label_log_likelihoods(model, prompts, [tokens[0] for tokens in labels], mask=mask)

    def _encoded(
        self, model: nn.Module, tokenizer: Tokenizer, context: str, examples: Sequence[Fields]
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The tokens of each example's prompt, for a masked language model with its mask, and of each label."""
        around = [self.around(example) for example in examples]
        labels = [tokenizer.encode(around[0][1] + word) for word in self.labels.values()]
        if getattr(model, "text_task", None) != "encoder":
            self._template.require_label_last()
            begin = list(text_frame(tokenizer, 0).before)
            return [tokenizer.encode(context + before) or begin for before, _, _ in around], labels
        mask, frame = tokenizer.special("mask"), class_frame(tokenizer, 0)
        if mask is None:
            raise InputError(
                expected="a tokenizer with a mask token", found=f"one of {tokenizer.kind} without", do="use a GPT"
            )
        for word, tokens in zip(self.labels.values(), labels, strict=True):
            if len(tokens) != 1:
                raise InputError(
                    expected="labels of one token each, for a masked language model",
                    found=f"{word!r}, which is {' | '.join(tokenizer.pieces(tokens))}",
                    do="choose words that are in its vocabulary",
                )
        texts = [
            [*frame.before, *tokenizer.encode(context + before), mask, *tokenizer.encode(after), *frame.after]
            for before, _, after in around
        ]
        return texts, labels

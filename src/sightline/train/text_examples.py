"""Examples of a text run for its report: surprise token by token, masks filled in, translations."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sightline.core.run_folder import RunFolder
from sightline.core.schema import IGNORED
from sightline.core.seeds import Seeds
from sightline.data import Split
from sightline.objectives import Objective

if TYPE_CHECKING:
    from sightline.data.batch import Batch
    from sightline.data.tokenizer import Tokenizer

EXAMPLES = "readings/text.json"

PASSAGES = 6
"""Passages shown."""

SHOWN_TOKENS = 256
"""Tokens shown of each."""

CLOSING = frozenset(".,;:!?)]}")
"""Marks without a space before them."""

Translate = Callable[[Sequence[int]], str]
"""From a source's tokens to the text that the model writes."""


def write_examples(
    folder: RunFolder,
    model: nn.Module,
    objective: Objective,
    split: Split,
    tokenizer: "Tokenizer",
    *,
    worst: Sequence[int] = (),
    translate: Translate | None = None,
    seed: int = 0,
) -> None:
    """Write ``readings/text.json``: what the model found surprising, filled in, or translated.

    What an objective hides is hidden by chance; the same examples are hidden alike every time.

    Args:
        folder: the run.
        model: with the weights to be shown.
        objective: whose terms are tokens.
        split: where the examples come from.
        tokenizer: tells the tokens' own text.
        worst: numbers of the examples with the highest loss, worst first; none: the first ones.
        translate: writes a translation, for the task "sequence".
        seed: the run's.

    Raises:
        RunFolderError: when it can't be written.

    Lecture: T6
    """
    chosen = list(worst or range(min(PASSAGES, len(split))))[:PASSAGES]
    kind = "filled" if getattr(model, "text_task", "") == "encoder" else "passages"
    told: list[dict[str, Any]] = []
    translations: list[dict[str, str]] = []
    was_training = model.training
    model.eval()
    try:
        device = next(model.parameters()).device
        whole = next(iter(split.batches(batch_size=len(chosen), order=torch.tensor(chosen), device=device)))
        with Seeds(seed).scope("evaluate", 0), torch.no_grad():  # together: a pair may need another's sentence
            prepared = objective.prepare(whole)
            filled = kind == "filled"
            for index, one, seen in zip(chosen, whole.split(len(chosen)), prepared.split(len(chosen)), strict=True):
                told.append({"index": index} | _example(model, objective, one, seen, tokenizer, filled=filled))
        if objective.schema.task == "sequence" and translate is not None:
            translations = [_translation(batch, tokenizer, translate) for batch in whole.split(len(chosen))]
    finally:
        model.train(was_training)
    told.sort(key=lambda one: -float(one["loss"]))
    folder.write(EXAMPLES, {"split": split.name, kind: told, "translations": translations})


def _example(
    model: nn.Module,
    objective: Objective,
    batch: "Batch",
    prepared: "Batch",
    tokenizer: "Tokenizer",
    *,
    filled: bool,
) -> dict[str, Any]:
    """One example: the tokens that were to be predicted, and the nats that each was worth."""
    outputs, target = objective.answers(model, prepared)
    outputs = outputs.float()
    nats = objective.losses(outputs, target)
    asked = prepared.target[0] != IGNORED
    entry: dict[str, Any] = {"loss": float(nats.mean()) if len(nats) else 0.0}
    rounded = [round(value, 3) for value in nats.tolist()]
    if not filled:
        continues = objective.schema.task == "language" and getattr(model, "text_task", "") != "encoder-decoder"
        first = batch.inputs[0, : int(continues)]  # of a text that is written anew, nothing stands before
        return entry | {
            "before": "".join(shown_pieces(tokenizer, first.tolist())),
            "pieces": shown_pieces(tokenizer, target.tolist()[:SHOWN_TOKENS]),
            "nats": rounded[:SHOWN_TOKENS],
        }
    original = torch.where(asked, prepared.target[0], prepared.inputs[0])
    present = _present(prepared)[:SHOWN_TOKENS]
    places = [place for place in asked.nonzero()[:, 0].tolist() if place < len(present)]
    chances, guesses = outputs.softmax(1).max(1)
    return entry | {
        "pieces": shown_pieces(tokenizer, original[present].tolist()),
        "places": [present.index(place) for place in places if place in present],
        "guesses": shown_pieces(tokenizer, guesses.tolist()[: len(places)]),
        "chances": [round(chance, 3) for chance in chances.tolist()[: len(places)]],
        "nats": rounded[: len(places)],
    }


def shown_pieces(tokenizer: "Tokenizer", ids: Sequence[int]) -> list[str]:
    """The tokens' own text, spaces put between words where the tokenizer leaves them out."""
    pieces = tokenizer.pieces(ids)
    if tokenizer.kind == "wordpiece":
        return [piece[2:] if piece.startswith("##") else f" {piece}" for piece in pieces]
    return [piece if piece in CLOSING else f" {piece}" for piece in pieces] if tokenizer.kind == "words" else pieces


def _present(batch: "Batch") -> list[int]:
    """Places of an example's tokens that are text."""
    everywhere: Tensor = torch.arange(batch.inputs.shape[1])
    return everywhere.tolist() if batch.present is None else everywhere[batch.present[0].cpu()].tolist()


def _translation(batch: "Batch", tokenizer: "Tokenizer", translate: Translate) -> dict[str, str]:
    source = [int(batch.inputs[0, place]) for place in _present(batch)]
    target = batch.target[0][batch.target[0] != IGNORED].tolist()
    return {"source": tokenizer.decode(source), "target": tokenizer.decode(target), "model": translate(source)}

"""``sightline generate``: write on after a prompt, or translate a source, with a run's model."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.arguments import Arguments
from sightline.cli.unfinished import tell_unfinished
from sightline.cli.unknown import tell_unknown
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.files import to_json

if TYPE_CHECKING:
    from sightline.generate.text_generation import Passage
    from sightline.train.run import Run

BOLD, PLAIN = "\033[1m", "\033[0m"

PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
PICTURES |= dict.fromkeys(range(0x80, 0xA0), 0x2426)
"""Control characters as the visible signs for them (U+2400 and on); those beyond ASCII have one for all."""

MOST_TEXTS = 1_000_000
"""Texts of one call, those of all prompts together."""

MOST = 200
"""New tokens, where no number is given and the network has no shorter limit."""

DESCRIPTION = """\
Write on after a prompt with a run's model, by chance unless told otherwise. Of an encoder-decoder the prompt is the
source, and the other text is written. Past its context length a model goes on with the last tokens it can see.
"""


def run(words: Sequence[str]) -> int:
    """Write as the words say."""
    parser = Arguments("generate", DESCRIPTION)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--prompt", help="the text to write on from (default: the beginning of a text)")
    parser.add_argument("--prompts", metavar="FILE", help="a file of prompts, one a line")
    parser.add_argument("--greedy", action="store_true", help="always the most likely token")
    parser.add_argument("--beam", type=int, metavar="WIDTH", help="beam search of this width")
    parser.add_argument("--length-penalty", type=float, metavar="ALPHA", help="of the beam's scores (default: 0.6)")
    parser.add_argument("--temperature", type=float, help="of sampling (default: 1); higher: more variety")
    parser.add_argument("--top-k", type=int, help="sample among the k most likely tokens")
    parser.add_argument("--top-p", type=float, help="sample among the fewest tokens that hold this probability")
    parser.add_argument("--no-repeat", type=int, metavar="N", help="let no N tokens in a row come twice")
    parser.add_argument("--max-tokens", type=int, help=f"most new tokens (default: {MOST})")
    parser.add_argument("--min-tokens", type=int, default=0, help="new tokens before the text may end (default: 0)")
    parser.add_argument("--samples", type=int, default=1, help="texts for each prompt (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of sampling (default: 0)")
    parser.add_argument("--batch-size", type=int, default=32, help="texts written side by side (default: 32)")
    parser.add_argument("--dtype", default="float32", help="number format of the weights: float32, bfloat16 (faster)")
    parser.add_argument("--stream", action="store_true", help="show the text while it is written")
    parser.add_argument("--json", action="store_true", help="texts, tokens and log-probabilities, as JSON")
    given = parser.parse_args(words)
    _check(given)
    prompts = _prompts(given)
    if given.samples * len(prompts) > MOST_TEXTS:
        raise ConfigurationError(
            expected=f"at most {MOST_TEXTS:,} texts at once",
            found=f"--samples {given.samples} for {len(prompts):,} prompt{'s' * (len(prompts) > 1)}",
            do="ask for fewer samples",
        )

    import torch

    from sightline.generate.decoding_copy import decoding_copy
    from sightline.generate.rules import NoRepeatedNgram
    from sightline.generate.text_generation import generate_text
    from sightline.train import open_run

    method = _method(given)
    rules = [] if given.no_repeat is None else [NoRepeatedNgram(given.no_repeat)]
    run = open_run(given.run)
    tokenizer, schema = run.tokenizer, run.schema
    tell_unfinished(run.folder)
    tell_unknown(tokenizer, prompts)
    model = decoding_copy(run.model, dtype=getattr(torch, given.dtype))
    repeated = [prompt for prompt in prompts for _ in range(1 if given.beam else given.samples)]
    show = _Show(repeated, terminal=sys.stdout.isatty(), bare=schema.task == "sequence")
    passages = generate_text(
        model,
        tokenizer,
        repeated,
        before=_before(run),
        stream=show.piece if given.stream else None,
        max_new_tokens=_most(given, model),
        min_new_tokens=given.min_tokens,
        method=method,
        rules=rules,
        window=True,
        seed=given.seed,
        batch_size=given.batch_size,
    )
    if given.json:
        sys.stdout.write(to_json([_plain(passage) for passage in passages], indent=1) + "\n")
    elif given.stream:
        show.end([passage.others for passage in passages])
    else:
        for row, passage in enumerate(passages):
            for text in (passage.text, *passage.others):
                show.whole(row, text)
    return 0


def _check(given: Namespace) -> None:
    """Words that contradict each other are refused before anything is loaded."""
    sampling = {"--temperature": given.temperature, "--top-k": given.top_k, "--top-p": given.top_p}
    chosen = [name for name, value in sampling.items() if value is not None]
    ways = [*(["--greedy"] if given.greedy else []), *(["--beam"] if given.beam is not None else [])]
    if len(ways) + bool(chosen) > 1:
        raise ConfigurationError(
            expected="one way of decoding: --greedy, --beam, or sampling by --temperature, --top-k, --top-p",
            found=" and ".join([*ways, *chosen]),
            do="leave all but one out",
        )
    if given.length_penalty is not None and given.beam is None:
        raise ConfigurationError(
            expected="--length-penalty together with --beam", found="no --beam", do="add --beam 4, or leave it out"
        )
    if given.prompt is not None and given.prompts is not None:
        raise ConfigurationError(expected="--prompt or --prompts", found="both", do="leave one of the two out")
    if given.samples < 1:
        raise ConfigurationError(expected="--samples of at least 1", found=f"--samples {given.samples}", do="use 1")
    if given.batch_size < 1:
        raise ConfigurationError(
            expected="--batch-size of at least 1", found=f"--batch-size {given.batch_size}", do="use 32"
        )
    if given.max_tokens is not None and given.max_tokens < 1:
        raise ConfigurationError(
            expected="--max-tokens of at least 1", found=f"--max-tokens {given.max_tokens}", do=f"use {MOST}"
        )
    if given.min_tokens < 0 or (given.max_tokens is not None and given.min_tokens > given.max_tokens):
        most = "--max-tokens" if given.max_tokens is None else f"--max-tokens {given.max_tokens}"
        raise ConfigurationError(
            expected=f"--min-tokens from 0 to {most}", found=f"--min-tokens {given.min_tokens}", do="leave it out"
        )
    if given.greedy and given.samples > 1:
        raise ConfigurationError(
            expected="one text for each prompt, as greedy decoding gives no other",
            found=f"--greedy --samples {given.samples}",
            do="leave --greedy out to sample",
        )
    if given.dtype not in ("float32", "bfloat16"):
        raise ConfigurationError(
            expected="--dtype float32 or bfloat16", found=f"--dtype {given.dtype}", do="use one of the two"
        )
    if given.json and given.stream:
        raise ConfigurationError(expected="--json or --stream", found="both", do="leave one of the two out")


def _prompts(given: Namespace) -> list[str]:
    if given.prompts is None:
        return [given.prompt or ""]
    path = Path(given.prompts)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            expected=f"prompts in {path}, one a line, in UTF-8",
            found=getattr(error, "strerror", None) or str(error),
            do="check the path, or save the file as UTF-8",
        ) from error
    prompts = [line for line in lines if line.strip()]
    if not prompts:
        raise DataError(expected=f"prompts in {path}, one a line", found="none", do="write some")
    return prompts


def _method(given: Namespace) -> Any:
    """How tokens are chosen."""
    from sightline.generate.beam_search import Beam
    from sightline.generate.greedy import Greedy
    from sightline.generate.sampling import Sample

    if given.greedy:
        return Greedy()
    if given.beam is not None:
        penalty = 0.6 if given.length_penalty is None else given.length_penalty
        return Beam(given.beam, length_penalty=penalty, num_results=given.samples)
    return Sample(
        temperature=1.0 if given.temperature is None else given.temperature,
        top_k=given.top_k,
        top_p=1.0 if given.top_p is None else given.top_p,
    )


def _before(run: "Run") -> tuple[int, ...]:
    """The tokens that stood before each document in training."""
    from sightline.data.frame import text_frame
    from sightline.data.text_source import trained_form

    form = trained_form(run.spec.data)
    frame = text_frame(run.tokenizer, 0)
    if run.schema.task == "sequence" or form == "blocks":
        return ()
    return frame.before if form == "padded" else frame.after


def _most(given: Namespace, model: Any) -> int:
    """Most new tokens; where no number was asked for, no more than an encoder-decoder can write."""
    if given.max_tokens is not None:
        return int(given.max_tokens)
    limit = model.context_length if getattr(model, "text_task", None) == "encoder-decoder" else None
    return MOST if limit is None else min(MOST, limit)


def _plain(passage: "Passage") -> dict[str, Any]:
    told = asdict(passage.continuation)
    return {"prompt": passage.prompt, "text": passage.text, "other_texts": passage.others, **told}


class _Show:
    """Writes prompts plainly and new text after them, in bold on a terminal; several as paragraphs of their own.

    On a terminal control characters are shown by their signs, as a text could give it orders by them.

    While it streams, a prompt's text is shown as it comes; the texts of later prompts wait until it has ended.
    """

    def __init__(self, prompts: list[str], *, terminal: bool, bare: bool) -> None:
        self.prompts, self.bare, self.terminal = prompts, bare, terminal
        self.bold, self.plain = (BOLD, PLAIN) if terminal else ("", "")
        self.waiting: dict[int, str] = {}
        self.shown = 0
        self.first = True

    def whole(self, row: int, text: str) -> None:
        """One prompt with its text."""
        self._begin(row)
        sys.stdout.write(f"{self.bold}{self._safe(text)}{self.plain}\n")

    def piece(self, row: int, text: str) -> None:
        """Some new text of one prompt."""
        if row != 0:
            self.waiting[row] = self.waiting.get(row, "") + text
            return
        if self.first:
            self._begin(0)
        sys.stdout.write(f"{self.bold}{self._safe(text)}{self.plain}")
        sys.stdout.flush()

    def end(self, others: Sequence[Sequence[str]]) -> None:
        """The texts that waited, and the others of each prompt: those of a beam come when its search is over."""
        if self.first:
            self._begin(0)
        sys.stdout.write("\n")
        for row in range(len(self.prompts)):
            if row:
                self.whole(row, self.waiting.get(row, ""))
            for text in others[row]:
                self.whole(row, text)

    def _begin(self, row: int) -> None:
        separator = "" if self.first or self.bare else "\n"
        self.first = False
        sys.stdout.write(separator + ("" if self.bare else self._safe(self.prompts[row])))

    def _safe(self, text: str) -> str:
        return text.translate(PICTURES) if self.terminal else text

"""``sightline prompt``: ask a run's model for the class of texts by a prompt, without training it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.arguments import Arguments
from sightline.cli.unfinished import tell_unfinished
from sightline.cli.unknown import tell_unknown
from sightline.core.errors import ConfigurationError, DataError, near
from sightline.core.files import to_json

if TYPE_CHECKING:
    from sightline.generate.few_shot import FewShot
    from sightline.generate.template import Fields
    from sightline.train.run import Run

SHOWN = 20
"""Rows that are named; of more the number is told."""

DESCRIPTION = """\
Ask a model for the class of each row of a table by a prompt: the label that is likeliest after it is the answer. The
template's {places} are columns; with --shots solved rows stand before the question. The rows of the shots are not
asked. Masked language models fill in {label}, wherever it stands. Rows whose prompts are longer than the model's
context are told, and left out of the accuracy.
"""


def run(words: Sequence[str]) -> int:
    """Ask as the words say."""
    parser = Arguments("prompt", DESCRIPTION)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--data", required=True, help="a table: .csv, .tsv or .parquet")
    parser.add_argument("--target", required=True, help="the column of classes")
    parser.add_argument("--template", required=True, help="such as '{text} It was'; the label stands at the end")
    parser.add_argument("--labels", help="the word of each class: pos=great,neg=bad (default: the classes' own names)")
    parser.add_argument("--shots", type=int, default=0, help="solved rows in the prompt, balanced (default: 0)")
    parser.add_argument("--separator", help="between rows in the prompt (default: a new line)")
    parser.add_argument("--score", default="sum", help="sum or mean of a label's log-probabilities (default: sum)")
    parser.add_argument("--calibrate", action="store_true", help="take off how likely each label is anyway")
    parser.add_argument("--limit", type=int, help="ask no more rows than this, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0, help="draws the shots (default: 0)")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    given = parser.parse_args(words)
    if given.limit is not None and given.limit < 1:
        raise ConfigurationError(expected="--limit of at least 1", found=f"--limit {given.limit}", do="leave it out")
    if given.separator is not None and not given.shots:
        raise ConfigurationError(
            expected="--separator together with --shots, between which it stands",
            found="no --shots",
            do="add --shots 4, or leave it out",
        )
    columns = _columns(Path(given.data))
    classes = _column(columns, given.target)

    from sightline.core.seeds import permutation
    from sightline.generate.few_shot import FewShot
    from sightline.train import open_run

    ask = FewShot(
        template=given.template,
        labels=_labels(given.labels, sorted(set(classes)), given.target),
        shots=given.shots,
        separator="\n" if given.separator is None else given.separator,
        score=given.score,
        calibrate=given.calibrate,
        seed=given.seed,
    )
    texts = {name: _column(columns, name) for name in ask.fields}
    rows: list[dict[str, str]] = [dict(zip(texts, row, strict=True)) for row in zip(*texts.values(), strict=True)]
    run = open_run(given.run)
    tokenizer = run.tokenizer
    tell_unfinished(run.folder)
    shots = ask.draw_shots(classes)
    solved = set(shots)
    asked = [row for row in permutation(len(rows), given.seed + 2).tolist() if row not in solved][: given.limit]
    asked.sort()
    if not asked:
        raise DataError(expected="rows to ask beside the shots", found="none", do="give a longer table, or fewer shots")
    solved_rows = [(rows[row], classes[row]) for row in shots]
    tell_unknown(tokenizer, _prompts(ask, [rows[row] for row in asked], solved_rows))
    asked, left_out = _fitting(ask, run, rows, asked, solved_rows)
    answers = ask.ask(
        run.model,
        tokenizer,
        [rows[row] for row in asked],
        classes=[classes[row] for row in asked],
        shots=solved_rows,
    )
    if given.json:
        told = {
            "prompt": answers.prompt,
            "accuracy": answers.accuracy.value,
            "standard_error": answers.accuracy.standard_error,
            "majority": answers.majority,
            "count": len(asked),
            "left_out": [row + 1 for row in left_out],
            "labels": dict(ask.labels),
            "shots": [row + 1 for row in shots],
            "answers": [
                {
                    "row": row + 1,
                    "class": classes[row],
                    "answer": answer,
                    "log_likelihoods": dict(zip(ask.labels, found, strict=True)),
                }
                for row, answer, found in zip(asked, answers.classes, answers.log_likelihoods.tolist(), strict=True)
            ],
        }
        sys.stdout.write(to_json(told, indent=1) + "\n")
        return 0
    accuracy = answers.accuracy
    sys.stdout.write(f"the first prompt:\n{answers.prompt}\n\nlabels: {', '.join(ask.labels.values())}\n")
    sys.stdout.write(f"accuracy {accuracy.value:.4f} ± {accuracy.standard_error:.4f} on {len(asked)} rows")
    sys.stdout.write(f", {len(left_out)} left out as too long" if left_out else "")
    sys.stdout.write(f" (the most frequent class: {answers.majority:.4f})\n")
    return 0


def _prompts(ask: "FewShot", examples: Sequence["Fields"], shots: Sequence[tuple["Fields", str]]) -> list[str]:
    """All that the model is to read: the rows in the template, the solved ones, and every label."""
    around = [ask.around(example) for example in examples]
    return [
        *(ask.solved(example, name) for example, name in shots),
        *(before for before, _, _ in around),
        *(after for _, _, after in around),
        *ask.labels.values(),
        *([ask.separator] if shots else []),
    ]


def _fitting(
    ask: "FewShot", run: "Run", rows: Sequence["Fields"], asked: list[int], shots: Sequence[tuple["Fields", str]]
) -> tuple[list[int], list[int]]:
    """The rows whose prompts fit into the model's context, and the others, which are told.

    Raises:
        DataError: when none fits.
    """
    long = {asked[i] for i in ask.too_long(run.model, run.tokenizer, [rows[row] for row in asked], shots=shots)}
    fitting, left_out = [row for row in asked if row not in long], sorted(long)
    if not left_out:
        return fitting, left_out
    context = f"{run.model.context_length} tokens, the context length of this {type(run.model).__name__}"
    if not fitting:
        raise DataError(
            expected=f"a prompt and label within {context}",
            found=f"longer ones for all of the {len(asked)} rows",
            do="give fewer shots, or cut the texts",
        )
    shown = ", ".join(str(row + 1) for row in left_out[:SHOWN])
    more = f" and {len(left_out) - SHOWN:,} more" if len(left_out) > SHOWN else ""
    sys.stderr.write(
        f"left out of the accuracy: {len(left_out)} of {len(asked)} rows, whose prompts are longer than {context}: "
        f"data row {shown}{more}\n"
    )
    return fitting, left_out


def _columns(path: Path) -> dict[str, list[Any]]:
    """A table's columns as they are written."""
    from sightline.data.table_file import read_csv, read_parquet

    if not path.is_file():
        raise DataError(expected=f"a table at {path}", found="no such file", do="check the path")
    if path.suffix == ".parquet":
        table = read_parquet(path)
    else:
        table = read_csv(path)[0]
        table = read_csv(path, text=table.column_names)[0]
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _column(columns: dict[str, list[Any]], name: str) -> list[str]:
    """A column's values as text.

    Raises:
        DataError: when there is no such column, or a value is missing.
    """
    if name not in columns:
        raise DataError(
            expected=f"a column {name!r}", found="the columns " + ", ".join(columns), do=near(name, columns)
        )
    empty = next((row for row, value in enumerate(columns[name]) if value is None), None)
    if empty is not None:
        raise DataError(
            expected=f"a text in every row of the column {name!r}",
            found=f"none in data row {empty + 1}",
            do="fill it in, or take the row out",
        )
    return [str(value) for value in columns[name]]


def _labels(given: str | None, classes: list[str], target: str) -> dict[str, str]:
    """The word of each class: the class's own, or as written."""
    if given is None:
        return {name: name for name in classes}
    parts = [part.strip() for part in given.split(",")]
    pairs = dict(part.split("=", 1) for part in parts if "=" in part)
    if not pairs and set(parts) == set(classes):
        return {name: name for name in parts}
    if len(pairs) != len(parts) or set(pairs) != set(classes):
        raise ConfigurationError(
            expected=f"a word for each class of {target!r}: " + ",".join(f"{name}=…" for name in classes[:6]),
            found=f"--labels {given}",
            do="write CLASS=WORD for each, separated by commas; the words alone must be the classes themselves",
        )
    return pairs

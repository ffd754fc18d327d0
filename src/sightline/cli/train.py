"""``sightline train``: a recipe by name, or a model on the user's own data."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from sightline.cli.overrides import apply_overrides, table
from sightline.core.errors import ConfigurationError, UnknownNameError, near

USAGE = """\
usage: sightline train RECIPE [--field value ...]
       sightline train MODEL --data SOURCE [--target COLUMN] [--field value ...]

Train, measure on validation and test, and leave a run folder with a report.

  RECIPE         {recipes}
  MODEL          {models}
  --data SOURCE  a folder of images (one folder a class; without for networks that make images),
                 a CSV or Parquet table (with --target),
                 a text file or a folder of them (with --target file or folder: classes of texts),
                 a folder of Parquet in the Hub's layout, hf:owner/name, or an embedded set: {data}
  --describe     say what one step would do, and stop
  --runs DIR     where run folders live (default: runs)
  --name NAME    name of the run folder (default: what is trained, and the time)
  --quiet        no lines, no bars: errors only
"""


def run(words: Sequence[str]) -> int:
    """Train as the words say."""
    words = list(words)
    wants_help = any(w in ("--help", "-h") for w in words)
    words = [w for w in words if w not in ("--help", "-h")]
    describe_only = _take_flag(words, "--describe")
    quiet = _take_flag(words, "--quiet")
    runs, name = _take_value(words, "--runs") or "runs", _take_value(words, "--name")
    source, target = _take_value(words, "--data"), _take_value(words, "--target")

    from sightline import data, models
    from sightline.recipes import RECIPES, starting_point

    if not words or words[0].startswith("--"):
        if wants_help:
            sys.stdout.write(
                USAGE.format(recipes=_joined(RECIPES), models=_joined(models.MODELS), data=_joined(data.DATASETS))
                + "\n`sightline train NAME --help` shows every field with its default and unit.\n"
            )
            return 0
        raise ConfigurationError(
            expected="a recipe or a model to train",
            found="none" if not words else f"the option {words[0]} first",
            do=f"name one of: {_joined(RECIPES)}, {_joined(models.MODELS)}",
        )
    what = words.pop(0)
    if what in RECIPES:
        spec = RECIPES[what]()
    elif what in models.MODELS:
        spec = starting_point(what, source or "")
    else:
        known = [*RECIPES, *models.MODELS]
        raise UnknownNameError(expected="the name of a recipe or a model", found=repr(what), do=near(what, known))
    if source is not None:
        spec = spec.replace(data=spec.data.replace(source=source))
    if target is not None:
        spec = spec.replace(data=spec.data.replace(target=target))
    if wants_help:
        usage = USAGE.format(recipes=_joined(RECIPES), models=_joined(models.MODELS), data=_joined(data.DATASETS))
        sys.stdout.write(f"{usage}\nfields of {what}, with their defaults:\n{table(spec)}\n")
        return 0
    spec = apply_overrides(spec, words)
    if not spec.data.source:
        raise ConfigurationError(
            expected=f"data for the model {what!r}",
            found="none",
            do=f"add --data with a folder, a table, hf:owner/name, or one of: {_joined(data.DATASETS)}",
        )

    from sightline.train import describe, train

    if describe_only:
        sys.stdout.write(describe(spec) + "\n")
        return 0
    finished = train(spec, runs=Path(runs), name=name, quiet=quiet)
    from sightline.cli.ending import tell_ending

    return tell_ending(finished, quiet=quiet)


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names)


def _take_flag(words: list[str], flag: str) -> bool:
    present = flag in words
    words[:] = [w for w in words if w != flag]
    return present


def _take_value(words: list[str], option: str) -> str | None:
    if sum(w == option or w.startswith(option + "=") for w in words) > 1:
        raise ConfigurationError(expected=f"{option} once", found="twice", do="leave one of the two out")
    for i, word in enumerate(words):
        if word.startswith(option + "="):
            del words[i]
            return word.partition("=")[2]
        if word == option:
            if i + 1 == len(words) or words[i + 1].startswith("--"):
                raise ConfigurationError(
                    expected=f"a value after {option}",
                    found="nothing",
                    do=f"see `sightline train --help` for {option}",
                )
            value = words[i + 1]
            del words[i : i + 2]
            return value
    return None

"""The command ``sightline``: find the subcommand, run it, tell errors in three parts."""

import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from sightline.core.errors import SightlineError, UnknownNameError, near

COMMANDS = {
    "train": "train a recipe, or a model on your own data",
    "resume": "go on with an interrupted run, exactly",
    "evaluate": "measure a run on its test split or on other data",
    "predict": "answer for files, folders or tables",
    "generate": "write on after a prompt, or translate, with a run on text",
    "sample": "make new images with a run that learnt to",
    "judge": "say how good the images of a run are, by a classifier",
    "prompt": "ask a run on text by examples in the prompt, and measure its answers",
    "features": "sentences as vectors, from any layer of a run on text",
    "export": "write a run's model as ONNX or a torch program, checked on real inputs",
    "list": "recipes, models, data sets, objectives, optimisers, schedules, topics, causes of bad training",
    "model": "a network layer by layer: shapes, parameters, cost, receptive field",
    "data": "look at a data set: what is there, and what is wrong with it",
    "compare": "runs beside each other: what differs, what was found in each, their figures",
    "report": "rebuild report.html from the run folder alone",
    "diagnose": "run your own training program, unchanged, and say what is wrong with it; or a run",
    "check": "the first updates of your own training program, unchanged: what is certainly wrong",
    "explain": "the theory in numbers and figures: gradient descent, momentum, ridge, double descent …",
}

RUNS_A_PROGRAM = ("diagnose", "check")
"""Commands whose later words may belong to a program of the user's."""

USAGE = """\
sightline - design, train and see through deep networks

usage: sightline COMMAND [...]

commands:
{commands}

options:
  --help       this text; `sightline COMMAND --help` tells all about one
  --version    the version
  --debug      with any command: show the traceback of an error

exit codes:
  0            all went well; of diagnose and check: nothing was found
  1            diagnose and check: something was found, or the program ended with an error; else: the loss became NaN
  2            a mistake, told in three parts: what was expected, what was found, what to do
  128 + n      ended by the signal n: 130 after Ctrl-C

first steps:
  sightline train digits-resnet               a small ResNet on handwritten digits, in under a minute
  sightline train resnet --data ./photos      your own pictures, one folder a class
  sightline train mlp --data house.csv --target price
  sightline train gpt --data book.txt         your own text; then `sightline generate runs/<name> --prompt "…"`
  sightline diagnose my_training.py --lr 0.1  your own training loop: does it learn, and if not, why
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see ``USAGE``)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without Unicode shows letters it lacks by their numbers
            stream.reconfigure(errors="backslashreplace")
    own = 2 if any(w in RUNS_A_PROGRAM for w in words[:2]) else len(words)
    debug = "--debug" in words[:own]
    words = [w for w in words[:own] if w != "--debug"] + words[own:]
    try:
        return _dispatch(words)
    except SightlineError as error:
        if debug:
            raise
        sys.stderr.write(f"sightline: {type(error).__name__}\n{error}\n")
        return error.exit_code
    except KeyboardInterrupt as stop:
        if debug:
            raise
        notes = "".join(f"\n{note}" for note in getattr(stop, "__notes__", []))
        sys.stderr.write(f"\nsightline: interrupted{f' by {stop}' if str(stop) else ''}{notes}\n")
        return int(getattr(stop, "exit_code", 130))
    except BrokenPipeError:  # the reader of our output (head, less) has gone: nothing is left to say
        sys.stderr.close()
        return 0


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("--help", "-h", "help"):
        width = max(map(len, COMMANDS))
        commands = "\n".join(f"  {name:<{width}}   {text}" for name, text in COMMANDS.items())
        sys.stdout.write(USAGE.format(commands=commands))
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        sys.stdout.write(f"sightline {version('sightline')}\n")
        return 0
    if words[0] not in COMMANDS:
        raise UnknownNameError(expected="a command", found=repr(words[0]), do=near(words[0], COMMANDS))
    code: int = import_module(f"sightline.cli.{words[0]}").run(words[1:])
    return code


if __name__ == "__main__":
    raise SystemExit(main())

"""``sightline resume``: go on with an interrupted run."""

from collections.abc import Sequence

from sightline.cli.arguments import Arguments


def run(words: Sequence[str]) -> int:
    """Resume as the words say."""
    parser = Arguments("resume", "Go on with an interrupted run, to the same end as if it had never stopped.")
    parser.add_argument("run", help="the run folder")
    parser.add_argument(
        "--from",
        dest="checkpoint",
        default="last",
        metavar="CHECKPOINT",
        help="go on from this one (default: last)",
    )
    parser.add_argument("--quiet", action="store_true", help="no lines, no bars: errors only")
    given = parser.parse_args(words)

    from sightline.cli.ending import tell_ending
    from sightline.train import resume

    return tell_ending(resume(given.run, checkpoint=given.checkpoint, quiet=given.quiet), quiet=given.quiet)

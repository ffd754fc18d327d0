"""``sightline judge``: how good the images of a run are, by the classifier of another."""

import sys
from collections.abc import Sequence

from sightline.cli.arguments import Arguments
from sightline.cli.unfinished import tell_unfinished
from sightline.core.files import to_json

DESCRIPTION = """\
Let a run make images and a classifier look at them: how sure it is of each, which classes there are, how far they are
from real images in its features, and whether they are copies of training images. Real images stand beside: what the
best possible would get. The figures go to readings/judgement.json in the run, and into its page.
"""


def run(words: Sequence[str]) -> int:
    """Judge as the words say."""
    parser = Arguments("judge", DESCRIPTION)
    parser.add_argument("run", help="the folder of the run that makes images")
    parser.add_argument(
        "--by", required=True, metavar="RUN", help="the folder of a run that tells the classes of such images"
    )
    parser.add_argument("-n", "--count", type=int, default=2000, help="images to make (default: 2000)")
    parser.add_argument("--steps", type=int, help="updates of a sampler that goes step by step (default: its own)")
    parser.add_argument("--guidance", type=float, help="how strongly a class steers a sampler that has guidance")
    parser.add_argument("--seed", type=int, default=0, help="of every random draw (default: 0)")
    parser.add_argument("--json", action="store_true", help="everything found, as JSON")
    given = parser.parse_args(words)

    from sightline.report import write_report
    from sightline.report.judgement_section import judgement_lines
    from sightline.train import open_run

    maker, judge = open_run(given.run), open_run(given.by)
    for one in (maker, judge):
        tell_unfinished(one.folder)
    found = maker.judge(judge, given.count, seed=given.seed, steps=given.steps, guidance=given.guidance).to_dict()
    sys.stdout.write((to_json(found, indent=1) if given.json else "\n".join(judgement_lines(found))) + "\n")
    page = write_report(maker.folder)
    if not given.json:
        sys.stdout.write(f"page  {page}\n")
    return 0

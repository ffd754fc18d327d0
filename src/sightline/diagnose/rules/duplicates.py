"""A data set that holds the same examples many times."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("duplicates")
def duplicates(r: Reading) -> Finding | None:
    """A data set that holds the same examples many times."""
    distinct = r.record.distinct_examples
    known = [
        loader.examples
        for loader in r.record.loaders
        if loader.examples and loader.drawn * loader.batch_size >= loader.examples and loader.shuffled
    ]
    if len(set(known)) != 1 or distinct < 2 or r.record.trained_examples < known[0] or distinct >= 0.6 * known[0]:
        return None
    if r.possible is not None and r.possible <= known[0]:
        return None
    return Finding(
        cause="duplicates",
        severity="warning",
        certainty=0.75,
        title="Many examples are the same",
        where="the data",
        evidence=(f"of {known[0]:,} examples {distinct:,} are different ones ({distinct / known[0]:.0%})",),
        why="what is there many times weighs many times; inputs that were made alike can't be told apart.",
        fix="look at the inputs as the network is given them; drop repeated examples",
        codes=("CPP", "IDS"),
        explains=("validation-overlaps-training",),
    )

"""What is certain of a program after its first updates, before hours are spent on it."""

from collections.abc import Sequence
from pathlib import Path

from sightline.diagnose.causes import findings
from sightline.diagnose.findings import Findings
from sightline.diagnose.script import watch_script

FIRST_UPDATES = 30
CERTAIN = 0.9


class CertainFindings(Findings):
    """Errors that are certain after the first updates; what shows later is not judged."""

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.trained and not self:
            return "Nothing is certain to be wrong after the first updates."
        return super().verdict


def certain(found: Findings) -> CertainFindings:
    """Of findings the errors with a certainty of 0.9 or more, and a word that only the first updates were seen.

    Example:
        >>> print(certain(Findings((), "Watched MLP.")).verdict)
        Nothing is certain to be wrong after the first updates.
    """
    kept = tuple(finding for finding in found if finding.severity == "error" and finding.certainty >= CERTAIN)
    words = (
        f"{found.seen} Only the first {FIRST_UPDATES} updates are looked at, and only what is certain by then is told."
    )
    return CertainFindings(kept, words, trained=found.trained)


def check(path: Path, args: Sequence[str] = ()) -> CertainFindings:
    """Run a program's first 30 updates under a watch, end it, and tell what is already certain.

    Raises:
        DataError: if there is no such file.

    Lecture: U7
    """
    return certain(findings(watch_script(path, args, stop_after=FIRST_UPDATES)))

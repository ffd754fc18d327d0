"""Why a network learns or does not: a watch on any training loop, and what it finds."""

from sightline.diagnose.again import diagnose_and_try, prove
from sightline.diagnose.causes import findings
from sightline.diagnose.changed_watch import ChangedWatch
from sightline.diagnose.changes import CHANGES
from sightline.diagnose.digest import digest
from sightline.diagnose.finding import Curves, Finding, Severity, Tried
from sightline.diagnose.findings import Findings
from sightline.diagnose.first_updates import check
from sightline.diagnose.look_schedule import LookSchedule
from sightline.diagnose.record import Record
from sightline.diagnose.rules import CAUSES, RULES
from sightline.diagnose.script import diagnose, watch_script
from sightline.diagnose.watch import Watch

__all__ = [
    "CAUSES",
    "CHANGES",
    "RULES",
    "ChangedWatch",
    "Curves",
    "Finding",
    "Findings",
    "LookSchedule",
    "Record",
    "Severity",
    "Tried",
    "Watch",
    "check",
    "diagnose",
    "diagnose_and_try",
    "digest",
    "findings",
    "prove",
    "watch_script",
]

"""Why a network learns or does not: a watch on any training loop, and what it finds."""

from sightline.diagnose.look_schedule import LookSchedule
from sightline.diagnose.watch import Watch

__all__ = ["LookSchedule", "Watch"]

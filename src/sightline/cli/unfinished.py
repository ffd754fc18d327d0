"""A word on figures and answers from a run that has not completed."""

import sys

from sightline.core.run_folder import RunFolder


def tell_unfinished(folder: RunFolder) -> None:
    """Say on stderr that a run is not completed, where it is not, and why."""
    from sightline.core.checkpoint import list_checkpoints  # heavy

    status = folder.status()
    if status["state"] != "completed" and list_checkpoints(folder):  # without one an error says more
        why = f" ({status['why']})" if status.get("why") else ""
        sys.stderr.write(f"note: this run is {status['state']}{why}: its best checkpoint so far is used\n")

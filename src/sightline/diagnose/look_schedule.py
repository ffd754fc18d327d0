"""At which steps a watch looks closely: often at the start, then ever more rarely."""

from dataclasses import dataclass

from sightline.core.errors import ConfigurationError


@dataclass(frozen=True)
class LookSchedule:
    """Steps 0 to first − 1, then ``per_doubling`` steps for each doubling, so that a run of n steps has about log n looks.

    Args:
        first: steps looked at one after the other.
        per_doubling: looks between step n and step 2n.

    Raises:
        ConfigurationError: for counts below 1.

    Example:
        >>> schedule = LookSchedule(first=3, per_doubling=2)
        >>> [step for step in range(40) if schedule.looks(step)]
        [0, 1, 2, 4, 5, 8, 11, 16, 22, 32]
    """

    first: int = 4
    per_doubling: int = 4

    def __post_init__(self) -> None:
        for name in ("first", "per_doubling"):
            if getattr(self, name) < 1:
                raise ConfigurationError(
                    expected=f"{name}: 1 or more", found=f"{name} = {getattr(self, name)}", do="leave it out"
                )

    def looks(self, step: int) -> bool:
        """Whether this step, counted from 0, is looked at closely."""
        if step < self.first:
            return True
        octave = step.bit_length() - 1
        base = 1 << octave
        return any(step == int(base * 2 ** (k / self.per_doubling)) for k in range(self.per_doubling))

"""Narrower and wider copies of a published network: every layer's channels and units, times one factor."""

from math import inf

from sightline.core.errors import ConfigurationError


def scaled(count: int, factor: float, *, multiple_of: int = 1) -> int:
    """The multiple of ``multiple_of`` nearest to count × factor, and at least one of it.

    Args:
        count: channels or units in the published network.
        factor: above 0; 1 is the published width.
        multiple_of: what the result must be divisible by, such as a number of groups.

    Raises:
        ConfigurationError: for a factor that is not above 0 and finite.

    Example:
        >>> scaled(96, 1), scaled(96, 0.125), scaled(96, 0.125, multiple_of=8), scaled(6, 0.01)
        (96, 12, 16, 1)
    """
    if not 0 < factor < inf:
        raise ConfigurationError(
            expected="a finite width_factor above 0",
            found=f"width_factor = {factor}",
            do="give 1 for the published width",
        )
    return max(1, round(count * factor / multiple_of)) * multiple_of

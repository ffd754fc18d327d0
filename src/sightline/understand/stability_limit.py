"""The sharpness above which a step size is unstable on a quadratic, for the optimisers people use."""

from sightline.core.errors import ConfigurationError


def stability_limit(lr: float, *, momentum: float = 0.0, nesterov: bool = False, averaged: bool = False) -> float:
    """The largest curvature on which steps of a rate do not grow.

        gradient descent   2/η
        heavy ball         2(1 + m)/η
        Nesterov           2(1 + m)/(1 + 2m)/η
        averaged           2(1 + m)/((1 − m) η): the step is an average of gradients, as Adam's with m = β₁

    For Adam the curvature meant is the preconditioned one (``scale`` of
    :func:`~sightline.understand.sharpness.sharpness`), while its second moment stands still.

    Args:
        lr: η > 0.
        momentum: m in [0, 1).
        nesterov: of the heavy ball as torch has it, without averaging.
        averaged: gradients weigh 1 − m in the velocity.

    Raises:
        ConfigurationError: for a number out of its range, or Nesterov's form of an average.

    Source: the lecture notes, lectures 2 and 6; Cohen et al. 2021, appendix B; Adam Cohen et al. 2022, §2

    Lecture: U3, O2, O3

    Example:
        >>> stability_limit(0.5), stability_limit(0.5, momentum=0.5)
        (4.0, 6.0)
    """
    if not 0 < lr < float("inf") or not 0 <= momentum < 1 or (nesterov and averaged):
        raise ConfigurationError(
            expected="a rate above 0, a momentum in [0, 1), one form of it",
            found=f"lr = {lr:g}, momentum = {momentum:g}, nesterov = {nesterov}, averaged = {averaged}",
            do="give the optimiser's own numbers",
        )
    limit = 2 * (1 + momentum) / lr
    if nesterov:
        return limit / (1 + 2 * momentum)
    return limit / (1 - momentum) if averaged else limit

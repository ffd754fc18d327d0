"""Which moments of series were trained on: windows that overlap share them, wherever the series was split."""

from statistics import median

from torch import Tensor

from sightline.diagnose.examples_seen import marks

NUMBERS = 6
"""Numbers that a moment is told by: of a series of fewer features several places in a row."""

MOST = 100_000
FEWEST = 12
"""Places of a window, below which nothing is kept."""

ENOUGH = 20


class MomentsSeen:
    """First and last moments of the windows trained on, and the inner ones of those evaluated."""

    def __init__(self) -> None:
        self._ends: set[float] = set()
        self._inner: list[list[float]] = []
        self._known: list[bool] = []

    def note(self, x: Tensor, *, training: bool) -> None:
        """Windows (examples, places, features) that a network was called on."""
        kept = len(self._ends) if training else sum(map(len, self._inner))
        if x.dim() != 3 or x.shape[1] < FEWEST or not x.is_floating_point() or x.is_cuda or kept >= MOST:
            return
        run = -(-NUMBERS // x.shape[2])
        last = x.shape[1] - run
        if last < FEWEST // 2 or x.shape[2] > x.shape[1] * 4:
            return
        if training:
            for place in (0, last):
                self._ends.update(self._marks(x, place, run))
            return
        places = range(1, last, max(1, last // 64))
        new = [list(each) for each in zip(*(self._marks(x, place, run) for place in places), strict=True)]
        self._inner += new
        # what is trained on afterwards, as time goes on, was not known yet
        self._known += [any(mark in self._ends for mark in window) for window in new]

    def _marks(self, x: Tensor, place: int, run: int) -> list[float]:
        """A number for each window's moment; NaN, which equals nothing, where that is one number repeated."""
        moment = x.detach()[:, place : place + run].flatten(1)
        constant = moment.amax(1) == moment.amin(1)
        found = marks(moment)
        return [float("nan") if plain else mark for mark, plain in zip(found, constant.tolist(), strict=True)]

    def shared(self) -> float:
        """Share of the windows evaluated that hold a moment which a window trained on before begins or ends with.

        0 where few were seen, or where moments come again by themselves, as those of coarse numbers do.
        """
        every = [mark for window in self._inner for mark in window if mark == mark]
        if len(self._inner) < ENOUGH or len(self._ends) < ENOUGH or len(every) < ENOUGH:
            return 0.0
        of_one = [len({m for m in window if m == m}) / max(1, sum(m == m for m in window)) for window in self._inner]
        if median(of_one) < 0.9:
            return 0.0
        return sum(self._known) / len(self._known)

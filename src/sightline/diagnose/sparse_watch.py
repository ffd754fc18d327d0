"""A watch that rests between its looks, for loops whose own measurements tell the rest."""

from types import TracebackType

from torch.optim import Optimizer

from sightline.diagnose.watch import Watch


class SparseWatch(Watch):
    """Sees only the steps it looks at closely; at the others it counts updates and follows the rate.

    Between looks torch's functions run as if there were no watch, which for a network of microseconds is most of the
    watch's cost. Losses, backward passes, modes and examples of these steps are not in the record: a loop that logs
    them puts them there.

    Lecture: U7

    Example:
        >>> import torch
        >>> from sightline.diagnose.look_schedule import LookSchedule
        >>> net = torch.nn.Linear(2, 1)
        >>> sgd = torch.optim.SGD(net.parameters(), lr=0.1)
        >>> with SparseWatch(net, sgd, schedule=LookSchedule(first=1, per_doubling=1)) as w:
        ...     for _ in range(9):
        ...         sgd.zero_grad()
        ...         net(torch.ones(4, 2)).square().mean().backward()
        ...         sgd.step()
        >>> w.record.steps, w.record.backwards
        (9, 5)
    """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._functions.step_back()
        self._modules.paused = False
        super().__exit__(kind, error, trace)

    def _look_or_not(self) -> None:
        super()._look_or_not()
        self._modules.paused = not self._looking
        if self._looking:
            self._functions.step_back()
        else:
            self._functions.step_aside()

    def _stepping(self, optimizer: Optimizer, number: int) -> None:
        if self._looking:
            super()._stepping(optimizer, number)

"""Seeing the calls of torch's functions in a loop that knows nothing of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode, _pop_mode, _push_mode

from sightline.diagnose.judgements import JUDGING
from sightline.diagnose.readable import out_of_reach

LOSSES: dict[Any, str] = {
    getattr(F, name): name
    for name in (
        "cross_entropy",
        "nll_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "kl_div",
        "poisson_nll_loss",
        "gaussian_nll_loss",
        "hinge_embedding_loss",
        "margin_ranking_loss",
        "multi_margin_loss",
        "multilabel_margin_loss",
        "multilabel_soft_margin_loss",
        "soft_margin_loss",
        "cosine_embedding_loss",
        "triplet_margin_loss",
        "ctc_loss",
    )
}
"""torch's loss functions; a loss module calls one of them."""

BACKWARD = (Tensor.backward, torch.autograd.backward)

REDRAWING = frozenset(
    [Tensor.uniform_, Tensor.normal_, *(getattr(torch.nn.init, f"{name}_") for name in ("uniform", "normal"))]
) | {getattr(torch.nn.init, f"{name}_{law}_") for name in ("xavier", "kaiming") for law in ("uniform", "normal")}
"""Functions that draw a tensor's numbers anew, in place."""

Told = Callable[[Any, Sequence[Any], Mapping[str, Any], Any], None]


class FunctionWatch(TorchFunctionMode):
    """Tell of calls: every loss and every backward pass, and all else while ``taping``.

    It only looks at what goes in and comes out; what is computed is the function's own.

    Args:
        call: told function, arguments, result of every call while taping.
        loss: told the same of losses.
        judged: told (function, arguments, result) of calls that may judge answers.
        drawn: told a tensor whose numbers are drawn anew.
        before_backward: told the tensor that a backward pass starts from.
        after_backward: told when it is through.
    """

    def __init__(
        self,
        *,
        call: Told,
        loss: Told,
        judged: Callable[[Any, Sequence[Any], Any], None],
        drawn: Callable[[Tensor], None],
        before_backward: Callable[[Tensor], None],
        after_backward: Callable[[], None],
    ) -> None:
        super().__init__()
        self.taping = False
        self.asleep = False
        self._away = self._resting = False
        self._call, self._loss, self._judged, self._drawn = call, loss, judged, drawn
        self._before_backward, self._after_backward = before_backward, after_backward

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        keywords = kwargs or {}
        if self.asleep or out_of_reach():
            return func(*args, **keywords)
        if func in BACKWARD:
            return self._backward(func, args, keywords)
        result = func(*args, **keywords)
        if self.taping:
            self._call(func, args, keywords, result)
        if func in LOSSES:
            self._loss(func, args, keywords, result)
        elif func in JUDGING:
            self._judged(func, args, result)
        elif func in REDRAWING and isinstance(filled := args[0] if args else keywords.get("tensor"), Tensor):
            self._drawn(filled)
        return result

    def _backward(self, func: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        given = args[0] if args else keywords["self" if func is Tensor.backward else "tensors"]
        first = given if isinstance(given, Tensor) else next(iter(given), None)
        if not isinstance(first, Tensor):
            return func(*args, **keywords)
        self._before_backward(first)
        taping, self.taping = self.taping, False
        try:
            return func(*args, **keywords)
        finally:
            self.taping = taping
            self._after_backward()

    @contextmanager
    def sleeping(self) -> Iterator[None]:
        """Within, calls are let through unseen."""
        before, self.asleep = self.asleep, True
        try:
            yield
        finally:
            self.asleep = before

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Within, calls are seen, wherever that is."""
        before = self.asleep
        self.wake()
        try:
            yield
        finally:
            if before:
                self.rest()

    def rest(self) -> None:
        """Until :meth:`wake`, calls are let through unseen, and where no other mode is in the way at no cost."""
        self.asleep = True
        if self.step_aside():
            self._resting = True

    def wake(self) -> None:
        """The end of a rest."""
        self.asleep = False
        if self._resting:
            self.step_back()

    def step_aside(self) -> bool:
        """Until :meth:`step_back`, functions run as if there were no watch: torch's own fast roads are open.

        Returns:
            Whether it was in the way.
        """
        if self._away or _get_current_function_mode() is not self:
            return False
        _pop_mode()
        self._away = True
        return True

    def step_back(self) -> None:
        """See again."""
        if self._away:
            _push_mode(self)
            self._away = self._resting = False


@contextmanager
def unwatched() -> Iterator[None]:
    """Within, no torch function is seen by any watch, and no gradient followed."""
    with torch._C.DisableTorchFunction(), torch.no_grad():
        yield

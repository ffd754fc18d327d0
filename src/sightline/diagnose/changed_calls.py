"""A change made at calls of torch's functions: what is left out, or computed otherwise."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from sightline.diagnose.call_site import call_site
from sightline.diagnose.tape import Plain, function_name

WORDS = ("leave_out", "leaky_relu", "dropout")
"""Changes that are made here."""


class ChangedCalls(TorchFunctionMode):
    """Make a change wherever the functions it speaks of are called.

    Args:
        change: in the words of ``CHANGES``.
        module: the innermost module at work.

    Attributes:
        made: calls that were changed.
    """

    def __init__(self, change: Mapping[str, Plain], module: Callable[[], str]) -> None:
        super().__init__()
        self._change, self._module = change, module
        slope, most = change.get("leaky_relu"), change.get("dropout")
        self._slope = None if slope is None else float(slope)
        self._most = None if most is None else float(most)
        self.made = 0

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        keywords = dict(kwargs or {})
        if torch.compiler.is_compiling():
            return func(*args, **keywords)
        name = function_name(func)
        if name == self._change.get("leave_out") and self._here():
            self.made += 1
            return args[0] if args else keywords["input"]
        if name == "relu" and self._slope is not None:
            self.made += 1
            return F.leaky_relu(args[0] if args else keywords["input"], self._slope)
        if "dropout" in name and self._most is not None:
            args, keywords = self._gentler(tuple(args), keywords, self._most)
        return func(*args, **keywords)

    def _here(self) -> bool:
        return self._module() == self._change.get("module") and call_site(2) == self._change.get("site")

    def _gentler(
        self, args: tuple[Any, ...], keywords: dict[str, Any], most: float
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments of a dropout with p no more than this."""
        given = keywords.get("p", args[1] if len(args) > 1 else 0.5)
        if not isinstance(given, float) or given <= most:
            return args, keywords
        self.made += 1
        if len(args) > 1:
            return (args[0], most, *args[2:]), keywords
        return args, {**keywords, "p": most}

"""Where in the user's program a call was made."""

import os
import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import FrameType

import torch

_TORCH = str(Path(torch.__file__).parent) + os.sep
_OURS = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = tuple({sysconfig.get_paths()[key] + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")})


def call_site(depth: int = 1) -> str:
    """``file:line`` of the innermost frame that is the user's own; else of the innermost outside of torch and of this.

    Args:
        depth: frames to leave out at once.

    Example:
        >>> call_site().rpartition(":")[2].isdigit()
        True
    """
    frame: FrameType | None = sys._getframe(depth)
    other = ""
    while frame is not None:
        name = frame.f_code.co_filename
        whose = _whose(name)
        if whose == "user":
            return f"{name}:{frame.f_lineno}"
        if whose == "library":
            other = other or f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return other or "?:0"


@cache
def _whose(file: str) -> str:
    """Of torch or of this, "", of a "library", or the "user"'s own."""
    if file.startswith((_TORCH, _OURS, "<frozen", "<@beartype")):
        return ""
    return "library" if file.startswith(_LIBRARIES) else "user"

"""What a run ran on: versions, hardware, threads, commit."""

import os
import platform
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import torch

_TOLD = (
    "torch",
    "lightning-fabric",
    "numpy",
    "datasets",
    "pyarrow",
    "torchmetrics",
    "scikit-learn",
    "pillow",
)


def describe_environment() -> dict[str, Any]:
    """Versions, hardware and code state, as plain JSON values.

    Example:
        >>> "python" in describe_environment()
        True
    """
    versions = {(d.metadata["Name"] or "").lower(): d.version for d in distributions()}
    return {
        "sightline": versions.get("sightline", "not installed"),
        "python": platform.python_version(),
        "packages": {name: versions[name] for name in _TOLD if name in versions},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "commit": _commit(),
        "command": sys.argv,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of the folder the run was started in, with "+changes" where it was not clean."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
        changed = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if commit.returncode != 0:
        return None
    return commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "")

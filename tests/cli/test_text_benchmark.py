"""``benchmarks/text.py``: it runs, and what it compares is the same work."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_three_start_from_the_same_loss_and_write_the_same_text() -> None:
    file = Path(__file__).parents[2] / "benchmarks" / "text.py"
    words = [sys.executable, str(file), "--quick", "--rounds", "1", "--device", "cpu"]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    first = [float(apart) for apart in re.findall(r"first losses differ by (\S+)", out)]
    assert len(first) == 2
    assert first[0] < 1e-5
    assert first[1] < 0.01
    same = re.findall(r"float32, .* (\d) of (\d) texts the same", out)
    assert len(same) == 4
    assert all(found == count for found, count in same)
    assert out.count("tokens the same") == 3

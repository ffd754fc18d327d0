"""How soon the command answers: `sightline --help` (target under 0.5 s) and `import sightline` (under 0.1 s).

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time


def seconds(command: list[str], repeats: int = 9) -> float:
    """Median wall-clock time of a command."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print both times, and the bare interpreter's."""
    bare = seconds([sys.executable, "-c", "pass"])
    print(f"python -c pass           {bare:.3f} s")
    print(f"import sightline         {seconds([sys.executable, '-c', 'import sightline']) - bare:.3f} s beyond that")
    print(f"sightline --help         {seconds([sys.executable, '-m', 'sightline.cli.main', '--help']):.3f} s in all")


if __name__ == "__main__":
    main()

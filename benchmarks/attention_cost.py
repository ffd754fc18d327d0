"""What attention costs: seconds, memory and multiply-adds of full and linear attention, and their fitted exponents.

    python benchmarks/attention_cost.py [--length 2048] [--width 64] [--heads 4] [--repeats 5] [--device cpu] [--quick]

Varied one after the other: the length (queries and keys alike), the queries, the keys, the width of a head. Full
attention is O(MND): exponents of 2, 1, 1 and 1; linear attention O((M + N)D²): 1, below 1 (only one of the two
grows), the same, and 2. The memory of full attention written out has the exponents of M·N, fused it has not.
"""

import argparse

import torch

from sightline.understand.attention_cost import Varied, attention_cost


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    given = parser.parse_args()
    length, width = (64, 16) if given.quick else (given.length, given.width)
    lengths = [length // 8 * 2**k for k in range(4)]
    widths = [width // 4 * 2**k for k in range(4)]
    sizes: dict[Varied, list[int]] = {"length": lengths, "queries": lengths, "keys": lengths, "width": widths}
    torch.manual_seed(0)
    print(f"length {length}, width {width}, {given.heads} heads, {given.device}, {torch.get_num_threads()} threads\n")
    print(
        attention_cost(
            sizes=sizes,
            length=length,
            width=width,
            num_heads=given.heads,
            repeats=1 if given.quick else given.repeats,
            device=given.device,
        )
    )


if __name__ == "__main__":
    main()

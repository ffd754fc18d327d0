"""Which calls of a step are attention: weights of keys by queries that values are multiplied with."""

from sightline.diagnose.tape import Call, Operand, Tape
from sightline.diagnose.tape_paths import SHAPE_ONLY

FUSED = ("scaled_dot_product_attention", "multi_head_attention_forward")
PRODUCTS = ("matmul", "bmm", "mm", "einsum")
NEAR = 32
"""A softmax is followed by its product within so many calls."""


def attentions(tape: Tape) -> list[Call]:
    """Calls of fused attention, and softmaxes whose result is the first factor of a product.

    A softmax whose weights are changed before the product, by a mask say, is left out: its result is not what counts.
    """
    return [c for c in tape.calls if c.attention is not None and (c.name in FUSED or _multiplied(tape, c))]


def _multiplied(tape: Tape, softmax: Call) -> bool:
    return any(
        c.name in PRODUCTS and any(_same(tape, o, softmax.index) for o in c.operands[:2])
        for c in tape.calls[softmax.index + 1 : softmax.index + 1 + NEAR]
    )


def _same(tape: Tape, operand: Operand, index: int) -> bool:
    """Whether an operand is a call's result, moved at most."""
    at = operand.producer
    while at is not None and at > index:
        made = tape.calls[at]
        if made.name not in SHAPE_ONLY or not made.operands:
            return False
        at = made.operands[0].producer
    return at == index

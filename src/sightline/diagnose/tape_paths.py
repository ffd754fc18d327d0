"""Ways through a tape: from the loss back to the network's last layer, from a layer to the layer before."""

from collections.abc import Iterator
from dataclasses import dataclass

from sightline.diagnose.function_watch import LOSSES
from sightline.diagnose.tape import Call, Operand, Tape

LOSS_NAMES = frozenset(LOSSES.values())

LIKE = frozenset(f"{made}_like" for made in ("zeros", "ones", "full", "empty", "rand", "randn", "randint"))
OF_SHAPE = LIKE | {"new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
"""Calls that take no number from the tensor they are given."""

SHAPE_ONLY = frozenset(
    [
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "transpose",
        "permute",
        "contiguous",
        "t",
        "T",
        "mT",
        "movedim",
        "swapaxes",
        "expand",
        "getitem",
        "select",
        "narrow",
        "chunk",
        "split",
        "unbind",
        "clone",
        "to",
        "float",
        "double",
        "half",
        "bfloat16",
        "type",
        "cat",
        "stack",
        "ravel",
        "view_as",
        "reshape_as",
        "expand_as",
        "pad",
        "index_select",
        "gather",
        "unfold",
        "repeat",
        "roll",
        "flip",
        "cuda",
        "cpu",
        "detach",
        "data",
        "requires_grad",
        "dropout",
        "dropout1d",
        "dropout2d",
        "feature_alpha_dropout",
        "alpha_dropout",
        "rearrange",
        "masked_select",
        "pack_padded_sequence",
    ]
)
"""Calls that move numbers and change none (or, dropout, only their scale)."""

NON_LINEAR = frozenset(
    [
        "relu",
        "relu6",
        "leaky_relu",
        "prelu",
        "rrelu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "hardtanh",
        "hardsigmoid",
        "sigmoid",
        "tanh",
        "softplus",
        "softsign",
        "softmax",
        "log_softmax",
        "logsigmoid",
        "softmin",
        "gumbel_softmax",
        "exp",
        "log",
        "sin",
        "cos",
        "pow",
        "square",
        "sqrt",
        "abs",
        "clamp",
        "clamp_min",
        "clamp_max",
        "maximum",
        "minimum",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "adaptive_max_pool1d",
        "adaptive_max_pool2d",
        "max",
        "amax",
        "where",
        "threshold",
        "softshrink",
        "hardshrink",
        "tanhshrink",
        "glu",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "lstm_cell",
        "gru_cell",
        "rnn_tanh_cell",
        "scaled_dot_product_attention",
        "multi_head_attention_forward",
        "layer_norm",
        "group_norm",
        "instance_norm",
        "rms_norm",
        "normalize",
        "local_response_norm",
        "max_pool2d_with_indices",
        "adaptive_max_pool2d_with_indices",
        "fractional_max_pool2d",
        "erf",
        "expm1",
        "log1p",
        "sign",
        "round",
        "floor",
        "boolean_dispatch",
        "cdist",
        "norm",
        "embedding",
        "one_hot",
        "argmax",
        "topk",
        "sort",
        "cosine_similarity",
        "bilinear",
        "transformer_encoder_layer_fwd",
    ]
)
"""Calls that are no linear map of their input; a product of two things computed is one, too."""

LAYERS = frozenset(
    [
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "matmul",
        "mm",
        "bmm",
        "addmm",
        "einsum",
    ]
)
"""Calls that multiply by a matrix."""


DRAWN = frozenset(["uniform", "normal", "kaiming_uniform", "xavier_uniform", "trunc_normal", "orthogonal"])
"""Calls that fill a tensor with random numbers, in place."""


def weights_of(tape: Tape, call: Call) -> tuple[str, ...]:
    """Names of the parameters that a call is given, straight or turned round."""
    return tuple(name for operand in call.operands if (name := parameter_of(tape, operand)))


def parameter_of(tape: Tape, operand: Operand) -> str:
    """The parameter that an operand is, straight or through calls that only move numbers; "" for others."""
    for _ in range(8):
        if operand.origin.startswith("parameter:"):
            return operand.origin.removeprefix("parameter:")
        if operand.producer is None:
            return ""
        made = tape.calls[operand.producer]
        if made.name not in SHAPE_ONLY or not made.operands:
            return ""
        operand = made.operands[0]
    return ""


def is_layer(tape: Tape, call: Call) -> bool:
    """A product with a matrix that is a parameter."""
    return call.name in LAYERS and any(
        parameter_of(tape, operand) and len(operand.shape) > 1 for operand in call.operands
    )


def inputs_of(tape: Tape, call: Call) -> list[Operand]:
    """Operands that are no parameters or buffers."""
    return [o for o in call.operands if not o.origin and not parameter_of(tape, o)]


def ancestors(tape: Tape, index: int | None) -> set[int]:
    """All calls whose numbers a call's result was made from, itself included."""
    found: set[int] = set()
    waiting = [] if index is None else [index]
    while waiting:
        at = waiting.pop()
        if at in found:
            continue
        found.add(at)
        if tape.calls[at].name not in OF_SHAPE:
            waiting += [o.producer for o in tape.calls[at].operands if o.producer is not None]
    return found


@dataclass(frozen=True)
class LossCall:
    """The loss that a backward pass started from.

    Attributes:
        kind: name of torch's function; for a loss written by hand "mse", "l1", "cross-entropy", "hinge" or "other".
        call: torch's function, or the call that stands for it: the square, the logarithm.
        by_hand: whether the user wrote it.
        prediction: what came from the network.
        target: the truth, where it can be told.
        others: further losses of torch in the same sum.
    """

    kind: str
    call: Call
    by_hand: bool
    prediction: Operand | None
    target: Operand | None
    others: tuple[Call, ...] = ()


def loss_call(tape: Tape, root: int | None) -> LossCall | None:
    """Which loss a backward pass started from, if its call is on the tape."""
    if root is None:
        return None
    found = ancestors(tape, root)
    known = [tape.calls[i] for i in sorted(found) if tape.calls[i].name in LOSS_NAMES]
    if known:
        first = known[0]
        operands = first.operands
        return LossCall(
            first.name,
            first,
            False,
            operands[0] if operands else None,
            operands[1] if len(operands) > 1 else None,
            tuple(known[1:]),
        )
    return _by_hand(tape, found)


def _by_hand(tape: Tape, found: set[int]) -> LossCall | None:
    """The last steps in the loop itself, by what they do to the network's output."""
    own = [tape.calls[i] for i in sorted(found) if not is_layer(tape, tape.calls[i])]
    for call in reversed(own):
        logarithm = call.name in ("log", "log_softmax", "logsumexp", "log2", "log1p", "logsigmoid")
        if logarithm and call.operands and call.operands[0].grad:
            return LossCall("cross-entropy", call, True, call.operands[0], _data_beside(tape, own, call))
        if call.name in ("clamp", "relu", "clamp_min", "maximum") and _one_minus(tape, call):
            return LossCall("hinge", call, True, call.operands[0], _data_beside(tape, own, call))
        square = call.name in ("pow", "square") or (call.name == "mul" and _itself(call))
        if (square or call.name == "abs") and _difference(tape, call) is not None:
            difference = _difference(tape, call)
            assert difference is not None
            network = next((o for o in difference.operands if o.grad), None)
            truth = next((o for o in difference.operands if not o.grad), None)
            return LossCall("mse" if square else "l1", difference, True, network, truth)
    return None


def _itself(call: Call) -> bool:
    return len(call.operands) == 2 and call.operands[0].producer == call.operands[1].producer is not None


def _difference(tape: Tape, call: Call) -> Call | None:
    operand = call.operands[0] if call.operands else None
    if operand is None or operand.producer is None:
        return None
    made = tape.calls[operand.producer]
    return made if made.name in ("sub", "rsub", "subtract") and len(made.operands) == 2 else None


def _one_minus(tape: Tape, call: Call) -> bool:
    operand = call.operands[0] if call.operands else None
    if operand is None or operand.producer is None:
        return False
    made = tape.calls[operand.producer]
    if made.name not in ("rsub", "sub", "add") or len(made.operands) != 1 or made.operands[0].producer is None:
        return False
    inner = tape.calls[made.operands[0].producer]
    return inner.name in ("mul", "neg")


def _data_beside(tape: Tape, own: list[Call], call: Call) -> Operand | None:
    """The first operand near a call that no gradient flows to and that varies: the truth, probably."""
    for other in own[max(0, own.index(call) - 4) :]:
        for operand in other.operands:
            if not operand.grad and not operand.origin and len(operand.shape) > 0 and len(other.operands) > 1:
                return operand
    return None


def back(tape: Tape, operand: Operand | None, limit: int = 64) -> Iterator[Call]:
    """Calls from an operand backwards along the first input that gradients flow to (else the first)."""
    for _ in range(limit):
        if operand is None or operand.producer is None:
            return
        call = tape.calls[operand.producer]
        yield call
        inputs = inputs_of(tape, call)
        operand = next((o for o in inputs if o.grad), inputs[0] if inputs else None)


PASSED_ON = SHAPE_ONLY | {"add", "sub", "rsub", "mean"}
"""Calls that leave a summand's factor as it is; on the right of a difference its sign turns."""


def multiplied(tape: Tape, call: Call, root: int | None) -> float | None:
    """What a summand is multiplied by on its way to the loss that it is part of; None where no plain number tells."""
    factor, at = 1.0, call.index
    for index in sorted(i for i in ancestors(tape, root) if i > call.index):
        later = tape.calls[index]
        places = [place for place, o in enumerate(later.operands) if o.producer == at]
        if not places:
            continue
        if later.name in ("mul", "div"):
            number = next((float(a) for a in later.arguments if isinstance(a, (int, float))), None)
            if not number:
                return None
            factor *= number if later.name == "mul" else 1 / number
        elif later.name == "neg" or (later.name in ("sub", "rsub") and (places == [1]) == (later.name == "sub")):
            factor = -factor
        elif later.name not in PASSED_ON and not (later.name == "sum" and later.operands[places[0]].shape == ()):
            return None
        at = index
    return factor


def end_of_network(tape: Tape, prediction: Operand | None) -> tuple[Call, ...]:
    """From the prediction back to, and with, the last layer: what the outputs go through."""
    calls: list[Call] = []
    for call in back(tape, prediction):
        calls.append(call)
        if is_layer(tape, call) or (weights_of(tape, call) and call.name not in SHAPE_ONLY) or fresh_weight(tape, call):
            return tuple(calls)
    return ()  # of a network that is not watched nothing is known


def fresh_weight(tape: Tape, call: Call) -> Operand | None:
    """The matrix of a layer that was drawn within this very step; None for others."""
    if call.name not in LAYERS or not call.grad:
        return None
    for operand in call.operands[1:]:
        made = operand.producer
        if operand.grad and len(operand.shape) > 1 and made is not None and tape.calls[made].name in DRAWN:
            return operand
    return None


def straight_before(tape: Tape, layer: Call) -> Call | None:
    """The layer whose outputs a layer is given with nothing non-linear between; None if there is none."""
    given = next(iter(inputs_of(tape, layer)), None)
    for call in back(tape, given):
        if is_layer(tape, call):
            return call
        computed = [o for o in call.operands if o.grad and not o.origin]
        if call.name in NON_LINEAR or len(computed) > 1:
            return None
    return None

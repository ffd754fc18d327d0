"""A call of a whole network in numbers."""

from collections.abc import Sequence

from torch import Tensor

from sightline.diagnose.blank_tail import blank_tail
from sightline.diagnose.neighbours import neighbours
from sightline.diagnose.record import Entry
from sightline.diagnose.row_facts import row_facts
from sightline.diagnose.tape import Tape
from sightline.diagnose.tensor_facts import diversity, features, tensor_facts


def entry_facts(
    tape: Tape,
    network: str,
    inputs: Sequence[Tensor],
    output: Tensor | None,
    data: Tensor | None,
    *,
    training: bool,
    grad: bool,
) -> Entry:
    """Look at what a network was given and what came out. Costs some passes over both.

    Args:
        tape: of the step.
        network: its name.
        inputs: tensors it was given.
        output: the first that came out.
        data: the first input that is data.
        training: its mode.
        grad: whether gradients are followed.
    """
    return Entry(
        network,
        training,
        grad,
        inputs=tuple(tensor_facts(x) for x in inputs),
        producers=tuple(tape.producer(x) for x in inputs),
        output=None if output is None else tensor_facts(output),
        output_producer=None if output is None else tape.producer(output),
        features=features(data) if data is not None else None,
        diversity=diversity(output) if output is not None else None,
        given=row_facts(inputs[0]) if inputs and not inputs[0].requires_grad else None,
        made=row_facts(output) if output is not None else None,
        neighbours=neighbours(data) if data is not None else None,
        tail=blank_tail(data) if data is not None else 0.0,
    )

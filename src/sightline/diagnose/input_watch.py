"""Seeing what networks are called on: which examples, and what their columns, tokens and moments are like."""

from collections.abc import Sequence

from torch import Tensor

from sightline.diagnose.columns_seen import ColumnsSeen
from sightline.diagnose.examples_drawn import ExamplesDrawn
from sightline.diagnose.examples_seen import ExamplesSeen
from sightline.diagnose.moments_seen import MomentsSeen
from sightline.diagnose.neighbours import neighbours
from sightline.diagnose.readable import readable
from sightline.diagnose.record import Record
from sightline.diagnose.tensor_facts import tensor_facts
from sightline.diagnose.tokens_seen import TokensSeen

MOST_EVALUATED = 16
"""Calls in evaluation whose inputs are looked at."""

MOST_INPUTS = 3
"""Further tensors of a call that tell examples apart: of pairs of a user and an item both."""


class InputWatch:
    """Note inputs, and tell a record what they came to.

    Args:
        record: is written to.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._examples = ExamplesSeen()
        self._drawn = ExamplesDrawn(self._examples)
        self._columns = ColumnsSeen()
        self._tokens = TokensSeen()
        self._moments = MomentsSeen()
        self._again: tuple[str, list[float]] | None = None

    def called(
        self,
        name: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        *,
        looking: bool,
        taping: bool,
        grad: bool,
        training: bool,
        mode: bool | None,
    ) -> Tensor | None:
        """A network was called.

        Args:
            name: the network's.
            inputs, outputs: tensors.
            looking: whether this step is looked at closely.
            taping: whether its calls are on tape.
            grad: whether gradients are followed.
            training: its own mode.
            mode: that of what depends on it; None for a call that is neither training nor evaluation.

        Returns:
            The first input that is data: no state that the network made itself, nothing that gradients flow to.
        """
        state = self._drawn.fed_back(name, inputs)
        data = [x for x in inputs if readable(x) and x.dim() > 0 and x.numel() and not x.requires_grad]
        first = next((x for x in data if not any(x is each for each in state)), None)
        self._drawn.made(name, outputs)
        if first is None or (first.is_cuda and not looking):
            return first
        others = [x for x in data if x is not first and len(x) == len(first) and not state]
        drawn = self._examples.look(first, others[:MOST_INPUTS])
        self._drawn.add(name, drawn, goes_on=bool(state), grad=grad, training=training)
        again = (name, drawn.marks) if mode and not grad else None
        self._record.drawn_again += again is not None and again == self._again
        self._again = again
        if not grad and len(self._record.evaluated_inputs) < MOST_EVALUATED:
            self._evaluated(first)
        if not grad or training:
            (self._moments if first.is_floating_point() else self._tokens).note(first, training=grad)
        if taping and grad:
            self._columns.note(first, training=True)
        return first

    def _evaluated(self, x: Tensor) -> None:
        """What a network was called on in one of the first evaluations."""
        self._record.evaluated_inputs.append(tensor_facts(x))
        self._columns.note(x, training=False)
        near = neighbours(x)
        if near is not None:
            self._record.evaluated_neighbours.append(near)

    def sort(self, *, trained: bool) -> None:
        """Batches since the last backward pass were trained on, or evaluated."""
        self._drawn.sort(trained=trained)

    def tell(self) -> None:
        """Write down what all inputs came to."""
        r, seen = self._record, self._examples
        r.partly_shared, r.repeated = seen.batches, seen.repeated
        r.trained_examples, r.distinct_examples = seen.trained, seen.distinct
        r.evaluated_examples, r.distinct_evaluated = seen.evaluated, seen.distinct_evaluated
        r.evaluated_with_gradients = seen.evaluated_with_gradients
        r.shared_examples, r.most_drawn = seen.shared, seen.most_drawn
        r.text = seen.text.shared()
        r.flat_columns, r.shift = self._columns.only_in_training(), self._columns.shift()
        r.token_shift, r.shared_moments = self._tokens.shift(), self._moments.shared()

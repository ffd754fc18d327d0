"""What a watch has seen of a training loop: plain numbers and names, no tensor, ready for rules and for a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod, sqrt

from sightline.diagnose.columns_seen import ColumnShift
from sightline.diagnose.curve import Curve
from sightline.diagnose.neighbours import Neighbours
from sightline.diagnose.row_facts import RowFacts
from sightline.diagnose.tape import Plain, Tape
from sightline.diagnose.tensor_facts import TensorFacts
from sightline.diagnose.text_seen import TextShared
from sightline.diagnose.tokens_seen import TokenShift


@dataclass(frozen=True)
class ParameterSeen:
    """One parameter, as it was when first seen.

    Attributes:
        name: dotted; with the network's class in front where there are several networks.
        shape: all axes.
        trained: requires_grad.
        in_optimizer: whether an optimiser has it.
        facts: its numbers at the start.
        alike: a matrix of which all rows are one (units that stay copies of each other), constant or not.
        fan_in: numbers that each output is a sum of; 0 for vectors.
    """

    name: str
    shape: tuple[int, ...]
    trained: bool
    in_optimizer: bool
    facts: TensorFacts
    alike: bool
    fan_in: int

    @property
    def size(self) -> int:
        """How many numbers."""
        return prod(self.shape)


@dataclass(frozen=True)
class ModuleSeen:
    """A module by name and class, with the numbers and words it was made with."""

    name: str
    kind: str
    settings: Mapping[str, Plain]
    training: bool


@dataclass(frozen=True)
class GroupSeen:
    """A parameter group of an optimiser.

    Attributes:
        optimizer: its class.
        settings: lr, momentum, betas, weight_decay and so on, at the start.
        parameters: how many numbers it trains.
        foreign: tensors in it that no watched network has (a network made again after the optimiser, say).
    """

    optimizer: str
    settings: Mapping[str, Plain]
    parameters: int
    foreign: int


@dataclass(frozen=True)
class Entry:
    """A call of a whole network from the loop.

    Attributes:
        network: its name.
        training: its mode.
        grad: whether gradients were followed.
        inputs: facts of the tensors given.
        producers: the calls on the step's tape that made them.
        output: facts of the (first) tensor that came out.
        output_producer: the call that made it.
        features: of inputs that are a table, numbers by example and feature: the greatest and the middle deviation of
            a feature (constant ones left out) and the greatest size of a mean over its deviation.
        diversity: of outputs, deviation over examples at one place, over the deviation of all; 0 where every example
            is answered alike.
        given: how the examples of the first tensor given differ, where no gradient flows to it: those of data.
        made: how those differ that came out.
        neighbours: how alike neighbours are in the first tensor given, where it is pictures or series.
        tail: share of the places of series (examples, places, features) that are 0 in every example up to the end.
    """

    network: str
    training: bool
    grad: bool
    inputs: tuple[TensorFacts, ...]
    producers: tuple[int | None, ...] = ()
    output: TensorFacts | None = None
    output_producer: int | None = None
    features: tuple[float, float, float] | None = None
    diversity: float | None = None
    given: RowFacts | None = None
    made: RowFacts | None = None
    neighbours: Neighbours | None = None
    tail: float = 0.0


@dataclass(frozen=True)
class LossSeen:
    """A call of one of torch's loss functions.

    Attributes:
        step: updates made before.
        function: its name.
        value: mean over its elements.
        grad: whether gradients were followed.
        training: mode of the network called last.
        accuracy: share of targets that have the highest score, for classes.
        examples: targets.
        site: ``file:line``.
    """

    step: int
    function: str
    value: float
    grad: bool
    training: bool
    accuracy: float | None
    examples: int
    site: str


@dataclass(frozen=True)
class Backward:
    """One backward pass.

    Attributes:
        step: updates made before.
        loss: the value it started from.
        site: ``file:line``.
        producer: the call on the tape that made the loss, where there is a tape.
    """

    step: int
    loss: float
    site: str
    producer: int | None = None


@dataclass(frozen=True)
class UpdateSeen:
    """An optimiser's step that was looked at closely, by parameter.

    Attributes:
        step: updates made before.
        optimizer: which, by order of first step.
        names: parameters that had a gradient.
        gradient: norms of gradients, by parameter.
        weight: norms of weights before.
        update: norms of the change, estimated from numbers spread evenly.
        without: parameters in the optimiser whose gradient was missing.
        zero: whether every gradient was exactly 0.
        follow: ⟨g', Δ⟩ / ⟨g, Δ⟩ with g' the next step's gradient: near 1 the loss is straight along the step, below 0
            the step went past the lowest point.
        rates: the groups' lr.
    """

    step: int
    optimizer: int
    names: tuple[str, ...]
    gradient: tuple[float, ...]
    weight: tuple[float, ...]
    update: tuple[float, ...]
    without: tuple[str, ...]
    zero: bool
    rates: tuple[float, ...]
    follow: float | None = None

    @property
    def gradient_norm(self) -> float:
        """Of all parameters together."""
        return sqrt(sum(g * g for g in self.gradient))


@dataclass(frozen=True)
class LoaderSeen:
    """A DataLoader that the loop drew from.

    Attributes:
        examples: in its data set; 0 if not known.
        batch_size: its own.
        batches: in a pass.
        shuffled: False for its data set's own order.
        iterators: passes begun.
        drawn: batches taken.
    """

    examples: int
    batch_size: int
    batches: int
    shuffled: bool
    iterators: int
    drawn: int


@dataclass
class TargetsSeen:
    """What the training loss was given as the truth.

    Attributes:
        facts: of the first batch.
        classes: count by class, for whole numbers.
        values: some of the others, to judge constant guesses by.
        batch_classes: how many different classes each of the first batches had.
        batch_sizes: of the same batches.
        stretches: by class, runs of batches in a row that hold it.
        broken_at: update whose loss was the first that is no number, where its targets held NaN or infinity.
        ignored, counted: targets that the loss left out, and the others.
        left_out: what stands for the former.
        in_input: share of the first batches' targets that are the input's token at the same place.
        ahead: share of them that are the input's token one place on: what comes next is to be told.
        columns: of tables, at each look: the column that correlates most with the target, by how much, and how much
            the next one does.
        ahead_axis: along which axis of the input.
        behind, two_ahead: the same of the token one place back, and two places on, along the second axis.
        copied: at each look, share of the numbers of an example's target that stand in its input, at one place each.
        copied_from: at which places, of the first look.
        places: of some targets of several numbers, those at a few places, an example each: each place has a constant
            guess of its own.
        right: of evaluation, how many of each class were answered right.
    """

    facts: TensorFacts | None = None
    classes: dict[int, int] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    batch_classes: list[int] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)
    stretches: dict[int, int] = field(default_factory=dict)
    last_classes: frozenset[int] = frozenset()
    broken_at: int | None = None
    ignored: int = 0
    left_out: int | None = None
    counted: int = 0
    in_input: float = 0.0
    ahead: float = 0.0
    columns: list[tuple[int, float, float]] = field(default_factory=list)
    ahead_axis: int = 0
    behind: float = 0.0
    two_ahead: float = 0.0
    copied: list[float] = field(default_factory=list)
    copied_from: list[int] = field(default_factory=list)
    places: list[list[float]] = field(default_factory=list)
    right: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """One step on tape."""

    step: int
    tape: Tape
    entries: tuple[Entry, ...]
    backwards: tuple[Backward, ...]


@dataclass
class Record:
    """Everything a watch has seen.

    Attributes:
        networks: names.
        modules, parameters, groups: of networks and optimisers, as they were when first seen.
        rates: (step, lr by group) of the first optimiser, wherever it changed; thinned where these are thousands.
        loss: what backward passes started from.
        backward_site: of the last backward pass.
        backwards: passes in all.
        live_backwards: backward passes looked at after which some gradient was not 0.
        wasted_backwards: those looked at whose gradients were gone at the next backward pass, with no step between.
        put_gradients: steps looked at whose gradients the loop put in place itself.
        early_steps: steps made before any backward pass.
        drew_in_evaluation: of the first forward passes in evaluation mode without gradients, those that drew random
            numbers.
        drawn_again: forward passes in training mode without gradients on the very batch of the one before.
        kept_losses: of the last 64 losses that backward passes started from, those that were still there with their
            graphs, at the most.
        uncleared, cleared: by optimiser, steps before which the gradients of the step before were, or were not,
            still there.
        losses: calls of loss functions: of training on the steps looked at, of evaluation all; where these are
            thousands, one for each pass, and not for every pass.
        entries: how often each network was called, by (name, training mode, gradients followed).
        updates, looks: steps looked at closely.
        loaders: DataLoaders drawn from.
        targets: of the training loss; evaluated_targets: of the same loss in evaluation.
        steps: updates made by the first optimiser; seconds: of the watch.
        trained_examples, distinct_examples, evaluated_examples, distinct_evaluated, shared_examples: of networks'
            inputs; shared are those evaluated and trained on.
        evaluated_with_gradients: examples evaluated with gradients on: hardly told from those trained on.
        repeated: share of the different examples trained on that the data hold more than once.
        partly_shared: batches evaluated of which no example, some, all were trained on.
        text: of inputs that are text, how much of what was evaluated was trained on.
        evaluated_inputs, evaluated_neighbours: inputs of the first evaluations.
        most_drawn: share of the examples trained on that are the most frequent one, and the second most frequent.
        flat_columns: columns of the inputs that are one number in training and vary in evaluation, and columns in all.
        shift: how far the columns of evaluation are from those of training.
        token_shift: the same of tokens.
        shared_moments: share of the windows of series evaluated that overlap with windows trained on.
        redrawn: how often, after the first update, a matrix was drawn at random again.
        judged: by step, how many answers in evaluation the loop itself counted as right, and of how many.
        judged_targets: what it compared them with.
        put_back: whether weights were written after the last update: those of the best look at validation, say.
        replaced: optimisers made anew for the same parameters.
        end: parameters at the end.
        stopped: the error that ended the loop, or "".
        unseen: what the watch could not see, by name.
    """

    networks: list[str] = field(default_factory=list)
    modules: list[ModuleSeen] = field(default_factory=list)
    parameters: list[ParameterSeen] = field(default_factory=list)
    groups: list[GroupSeen] = field(default_factory=list)
    rates: list[tuple[int, tuple[float, ...]]] = field(default_factory=list)
    loss: Curve = field(default_factory=Curve)
    backward_site: str = ""
    backwards: int = 0
    live_backwards: int = 0
    wasted_backwards: int = 0
    put_gradients: int = 0
    early_steps: int = 0
    drew_in_evaluation: int = 0
    drawn_again: int = 0
    kept_losses: int = 0
    uncleared: dict[int, int] = field(default_factory=dict)
    cleared: dict[int, int] = field(default_factory=dict)
    losses: list[LossSeen] = field(default_factory=list)
    entries: dict[tuple[str, bool, bool], int] = field(default_factory=dict)
    updates: list[UpdateSeen] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    loaders: list[LoaderSeen] = field(default_factory=list)
    targets: TargetsSeen = field(default_factory=TargetsSeen)
    evaluated_targets: TargetsSeen = field(default_factory=TargetsSeen)
    steps: int = 0
    seconds: float = 0.0
    trained_examples: int = 0
    distinct_examples: int = 0
    evaluated_examples: int = 0
    evaluated_with_gradients: int = 0
    distinct_evaluated: int = 0
    shared_examples: int = 0
    repeated: float = 0.0
    partly_shared: tuple[int, int, int] = (0, 0, 0)
    text: TextShared = field(default_factory=TextShared)
    evaluated_inputs: list[TensorFacts] = field(default_factory=list)
    evaluated_neighbours: list[Neighbours] = field(default_factory=list)
    most_drawn: tuple[float, float] = (0.0, 0.0)
    flat_columns: tuple[int, int] = (0, 0)
    shift: ColumnShift | None = None
    token_shift: TokenShift | None = None
    shared_moments: float = 0.0
    redrawn: int = 0
    judged: dict[int, tuple[int, int]] = field(default_factory=dict)
    judged_targets: TargetsSeen = field(default_factory=TargetsSeen)
    put_back: bool = False
    replaced: int = 0
    end: dict[str, TensorFacts] = field(default_factory=dict)
    stopped: str = ""
    unseen: list[str] = field(default_factory=list)

    @property
    def by_hand(self) -> bool:
        """Whether weights moved though no optimiser of torch's made a step."""
        trained = (p for p in self.parameters if p.trained and p.name in self.end)
        moved = any(
            (self.end[p.name].mean, self.end[p.name].deviation) != (p.facts.mean, p.facts.deviation) for p in trained
        )
        return self.steps == 0 < self.backwards and moved

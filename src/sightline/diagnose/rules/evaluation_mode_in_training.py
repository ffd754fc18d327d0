"""Training with dropout off and frozen batch statistics."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import MODAL, Reading
from sightline.diagnose.rules.registry import RULES


def _of_one(r: Reading) -> Finding | None:
    """Of several networks that are trained one that stays in evaluation mode."""
    entries = r.record.entries
    for name in r.record.networks if r.two_players else ():
        own = [m.kind for m in r.record.modules if m.kind in MODAL and r.owner(m.name) == name]
        learns = any(r.owner(parameter) == name for u in r.record.updates for parameter in u.names)
        wrong, right = entries.get((name, False, True), 0), entries.get((name, True, True), 0)
        others = sum(n for (other, training, grad), n in entries.items() if other != name and training and grad)
        late = [e for look in r.looks[-3:] for e in look.entries if e.network == name and e.grad]
        if any(e.training for e in late):
            continue  # it goes back and forth
        if own and learns and wrong >= 20 and 0 < right < 1.4 * wrong and others > 0.5 * wrong:
            return _finding(r, name, wrong, right, sorted(set(own)))
    return None


@RULES.register("evaluation-mode-in-training")
def evaluation_mode_in_training(r: Reading) -> Finding | None:
    """Training with dropout off and frozen batch statistics."""
    if (one := _of_one(r)) is not None:
        return one
    right = sum(n for (_, training, grad), n in r.record.entries.items() if training and grad)
    wrong = sum(n for (_, training, grad), n in r.record.entries.items() if not training and grad)
    if not r.modal or r.record.backwards < 3 or wrong < 0.5 * r.record.backwards or wrong < right:
        return None
    return _finding(r, r.network, wrong, right, r.modal)


def _finding(r: Reading, name: str, wrong: int, right: int, kinds: list[str]) -> Finding:
    return Finding(
        cause="evaluation-mode-in-training",
        severity="warning",
        certainty=0.85,
        title="The network is trained in evaluation mode",
        where=name,
        evidence=(
            f"{wrong:,} forward passes with gradients ran in evaluation mode, {right:,} in training "
            f"mode; it has {', '.join(kinds)}",
        ),
        why="dropout does nothing, and batch normalisation keeps the statistics it had: the start's, perhaps.",
        fix="call model.train() at the start of every epoch, after evaluation",
        codes=("RCD",),
        explains=("mode-collapse", "evaluation-with-gradients"),
        figure=loss_curve(r),
        change={"mode": "training"},
    )

"""A network that is to tell the next token, and whose attention can read it."""

from statistics import median

from sightline.diagnose.attention_calls import attentions
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES

RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def _both_ways(r: Reading) -> str:
    """A recurrent layer that reads from both ends, where there is no other that reads from one."""
    modules = {m.name: m for m in r.record.modules}
    used = [modules[c.module] for c in r.tape.calls if c.name in RECURRENT and c.grad and c.module in modules]
    return used[0].name if used and all(m.settings.get("bidirectional") for m in used) else ""


@RULES.register("causal-mask-missing")
def causal_mask_missing(r: Reading) -> Finding | None:
    """A network that is to tell the next token, and whose attention can read it."""
    targets = r.record.targets
    given = targets.ignored > targets.counted  # most of each text is a beginning, which may be read both ways
    if targets.ahead < 0.95 or targets.in_input > 0.9 or given or not r.looks:
        return None
    seen = [c for look in r.looks[:8] for c in attentions(look.tape) if c.grad]
    after = [c.attention.after for c in seen if c.attention is not None and c.attention.after is not None]
    layer = _both_ways(r)
    if after and min(after) > 0.02:
        where, what = short(seen[0].site), f"{median(after):.0%} of the attention's weight lies on later tokens"
    elif layer and not after:
        where, what = layer, "the recurrent layer reads the text from both ends"
    else:
        return None
    return Finding(
        cause="causal-mask-missing",
        severity="error",
        certainty=0.93,
        title="The network can read the token that it is to tell",
        where=where,
        evidence=(
            f"{targets.ahead:.0%} of the targets are the input's next token, and {what}",
            *((f"the loss is at {r.left:.0%} of a constant guess's",) if r.left is not None else ()),
        ),
        why="it learns to copy the next token; when it writes there is none, and its loss tells nothing.",
        fix="scaled_dot_product_attention(..., is_causal=True), or −∞ above the scores' diagonal; one direction in a "
        "recurrent layer",
        lecture=("U7", "T2"),
        codes=("MWA", "TCL"),
        explains=("leak",),
    )

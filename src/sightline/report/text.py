"""Numbers in words: figures rounded by their standard error, durations, plain values."""

import re
from collections.abc import Mapping
from math import floor, isfinite, isnan, log10
from typing import Any

SHARES = frozenset(
    {
        "accuracy",
        "agreement",
        "confident",
        "copies",
        "discriminator_accuracy",
        "f1",
        "made_taken_for_real",
        "nearer",
        "precision",
        "real_taken_for_real",
        "recall",
    }
)
"""Metrics that are shares of one, shown in per cent."""

_TURNS = {
    0x061C: "ALM", 0x200E: "LRM", 0x200F: "RLM", 0x202A: "LRE", 0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO",
    0x202E: "RLO", 0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI",
}  # fmt: skip
"""Letters that turn the direction of writing, also that of the words behind a text on a page."""

_PICTURES = (
    {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"}
    | {0x7F: "␡"}
    | {code: f"‹U+{code:04X}›" for code in (*range(0x80, 0xA0), *range(0xD800, 0xE000))}
    | {code: f"‹{name}›" for code, name in _TURNS.items()}
)
"""What is shown for control characters but tab and line feed, for letters that turn, and for halves of a pair."""

_LABELS = {
    "f1": "F1",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "negative_elbo": "negative ELBO",
    "importance_weighted": "importance-weighted −log p",
    "latent_worth": "worth of the latent vector",
    "lr": "learning rate",
    "grad_norm": "gradient norm",
}


def label(name: str) -> str:
    """A metric's name as people write it.

    Example:
        >>> label("r2"), label("examples_per_second")
        ('R²', 'examples per second')
    """
    return _LABELS.get(name, name.replace("_", " "))


def number(value: int | float, digits: int = 4) -> str:
    """A number with as many significant digits as are worth reading; NaN and infinity as such.

    Example:
        >>> number(12345), number(0.000312345), number(float("nan")), number(float("-inf"))
        ('12,345', '0.0003123', 'NaN', '−∞')
    """
    if isnan(value):
        return "NaN"
    if not isfinite(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}g}"
    if "e" in text and 1e3 <= abs(value) < 1e15:
        text = f"{value:,.0f}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def visible(words: str) -> str:
    """Anybody's text, fit for a page: control characters, turns of direction and halves of a letter can be seen.

    Example:
        >>> visible("a\\0b\\x1b[1m \\u202ec \\ud83d")
        'a␀b␛[1m ‹RLO›c ‹U+D83D›'
    """
    return words.translate(_PICTURES)


def figure(name: str, value: int | float, standard_error: int | float | None = None) -> str:
    """A metric with its standard error, both rounded to the error's first digit; shares in per cent.

    Args:
        name: the metric; decides between per cent and a plain number.
        value: the metric's value, a share in [0, 1] where it is one.
        standard_error: in the value's units; none where it is not known.

    Example:
        >>> figure("accuracy", 0.98123, 0.0071), figure("rmse", 54.12345, 2.4), figure("r2", 0.5)
        ('98.1 ± 0.7 %', '54 ± 2', '0.5')
    """
    percent = name in SHARES
    scale, unit = (100.0, " %") if percent else (1.0, "")
    rounding = 1e-12 * max(abs(value), 1e-300)
    if standard_error is None or not isfinite(standard_error) or standard_error <= rounding or not isfinite(value):
        exact = percent and isfinite(value)
        return (f"{value * scale:.1f}".replace("-", "−") if exact else number(float(value * scale))) + unit
    error = standard_error * scale
    power = floor(log10(error))
    leading_one = error / 10.0**power < 2
    decimals = max(0, -power + (1 if leading_one else 0))
    text = f"{value * scale:,.{decimals}f} ± {error:,.{decimals}f}{unit}"
    return text.replace("-", "−")


def duration(seconds: int | float) -> str:
    """A length of time in its two largest units.

    Example:
        >>> duration(0.51), duration(83.4), duration(7325)
        ('0.5 s', '1 min 23 s', '2 h 2 min')
    """
    if not isfinite(seconds):
        return number(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: int) -> str:
    """Bytes as people write them.

    Example:
        >>> size(512), size(20_480), size(3_500_000)
        ('512 B', '20.5 kB', '3.5 MB')
    """
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} B"


def moment(value: Any) -> str:
    """An ISO time as people write it, to the minute; anything else as it stands.

    Example:
        >>> moment("2026-03-01T14:05:09+00:00")
        '2026-03-01 14:05 UTC'
    """
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\+00:00", str(value))
    return f"{found[1]} {found[2]} UTC" if found else plain(value)


def plain(value: Any) -> str:
    """Any value of a JSON or YAML file as a reader wants it.

    Example:
        >>> plain(None), plain([1, 2.5]), plain({"a": True}), plain("x")
        ('none', '1, 2.5', 'a = true', 'x')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {plain(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(plain(entry) for entry in value) or "none"
    return visible(str(value))


def upper_first(words: str) -> str:
    """The same with a capital at its beginning.

    Example:
        >>> upper_first("test R²")
        'Test R²'
    """
    return words[:1].upper() + words[1:]


def short(value: Any) -> str:
    """A plain value, numbers to five digits.

    Example:
        >>> short(163.23412), short("cat")
        ('163.23', 'cat')
    """
    return number(value, 5) if isinstance(value, float) else plain(value)


def cell(value: Any) -> str:
    """A cell of a table of figures: numbers to four digits, as in the terminal; anything else as it stands.

    Example:
        >>> cell(3109), cell(0.33333333), cell("none")
        ('3,109', '0.3333', 'none')
    """
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else visible(str(value))

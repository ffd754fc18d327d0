"""What every page is put together from: templates, style, the script, and the library it draws with."""

import json
from functools import cache

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sightline.report import text
from sightline.report.vega import HERE, LOOK


def style() -> str:
    """The style sheet."""
    return (HERE / "page.css").read_text(encoding="utf-8")


def script() -> str:
    """The script that draws the charts, with the look they all have."""
    return f"const LOOK = {json.dumps(LOOK)};\n" + (HERE / "page.js").read_text(encoding="utf-8")


def attention_script() -> str:
    """The script that reads attention maps, token by token."""
    return (HERE / "attention.js").read_text(encoding="utf-8")


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script that needs nothing else."""
    snippet = "window.vegaEmbed=vegaEmbed;"
    bundle: str = vl_convert.javascript_bundle(snippet)
    assert "</script" not in bundle.lower()
    return bundle


@cache
def environment() -> Environment:
    """The templates, where whatever is filled in is text and never markup."""
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    made.filters.update(number=text.number, plain=text.plain, moment=text.moment, short=text.short, cell=text.cell)
    return made

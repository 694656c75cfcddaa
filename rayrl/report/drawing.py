"""Draws plots by Vega-Lite (vl-convert: no browser, no network): SVG for the page, PNG for files."""

import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from rayrl.report.plot import BLUE, INK, Plot, Spec
from rayrl.report.text import visible

SIZES = {"wide": (440, 240), "narrow": (330, 200), "full": (900, 0)}
"""Width and height of a plot by its place in the page, which scales it; a full one has the height of its panels."""
VEGA_LITE = "6.4"
FAINT, GRID = "#9aa5b1", "#e4e7eb"
# The first comes with vl-convert, so that a PNG is the same on every machine; Arial has the same widths.
FONT = "Liberation Sans, Arial, Helvetica, DejaVu Sans, sans-serif"
LOOK: Spec = {
    "background": "white",
    "padding": 4,
    "font": FONT,
    "mark": {"color": BLUE},
    "line": {"strokeWidth": 2, "aria": False},
    **{mark: {"aria": False} for mark in ("area", "rule", "text", "tick")},
    "view": {"stroke": None},
    "axis": {
        "gridColor": GRID,
        "domainColor": FAINT,
        "tickColor": FAINT,
        "tickSize": 4,
        "tickCount": 6,
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 0,
        "labelFlush": False,
        "labelSeparation": 6,
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "legend": {
        "orient": "bottom",
        "columnPadding": 18,
        "symbolOpacity": 1,
        "symbolSize": 70,
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 0,
        "titleColor": INK,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "header": {"title": None, "labelAnchor": "start", "labelColor": INK, "labelFontSize": 12, "labelLimit": 0},
}


def svg(plot: Plot, size: str) -> Markup:
    """An <svg> that stands in HTML: as wide as its place, each mark with what is said of it as aria-label."""
    from vl_convert import vegalite_to_svg

    drawn = vegalite_to_svg(_whole(plot, size), vl_version=VEGA_LITE)
    return Markup(re.sub(r'^<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", drawn, count=1))


def png(plot: Plot) -> bytes:
    from vl_convert import vegalite_to_png

    return bytes(vegalite_to_png(_whole(plot, "wide"), vl_version=VEGA_LITE, scale=2.5))


def _whole(plot: Plot, size: str) -> Spec:
    width, height = SIZES[size]
    legend = LOOK["legend"] | {"columns": _columns([str(row.get("series", "")) for row in plot.rows], width - 70)}
    place: dict[str, Any] = {"width": width, "height": height, "autosize": {"type": "fit", "contains": "padding"}}
    own = {} if "facet" in plot.spec else place
    whole = plot.spec | own | {"data": {"values": plot.rows}, "config": LOOK | {"legend": legend}}
    drawable: Spec = _drawable(whole)
    return drawable


def _drawable(value: Any) -> Any:
    """With only characters that XML has: vl-convert ends the whole process at any other."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {_drawable(name): _drawable(own) for name, own in value.items()}
    return [_drawable(own) for own in value] if isinstance(value, list | tuple) else value


def _columns(labels: Iterable[str], width: float) -> int:
    """Of a legend: all labels in one line if they fit, else as many as the widest leaves room for."""
    widths = [31 + 5.6 * len(label) for label in dict.fromkeys(labels)]
    return len(widths) if sum(widths) <= width else max(1, int(width // max(widths)))

"""Pages that need no network and run no script but their own."""

import json
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from rayrl.files import write_whole
from rayrl.report import text
from rayrl.report.charts import Chart

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, drawn: Iterable[Chart], **values: Any) -> str:
    """The whole page. All text is escaped by the template; the page's policy allows only scripts with its nonce."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        text.percent,
        text.duration,
        text.printable,
        text.signed_points,
        text.number,
        text.p_value,
        text.scientific,
    )
    environment.filters |= {function.__name__: function for function in filters}
    figures = [{"id": chart.id, **chart.figure} for chart in drawn if chart.figure]
    return environment.get_template(template).render(
        chart_data=script_json(figures),
        plotly_js=Markup(get_plotlyjs()),
        nonce=secrets.token_urlsafe(16),
        **values,
    )


def write_page(folder: Path, page: str) -> Path:
    """Writes `folder`/report.html in one move; returns its path."""
    target = folder / "report.html"
    write_whole(target, page)
    return target


def script_json(value: Any) -> Markup:
    """JSON that cannot end the <script> it stands in."""
    dumped = json.dumps(value, allow_nan=False)
    return Markup(re.sub("[<>&]", lambda match: f"\\u{ord(match[0]):04x}", dumped))

"""Pages that need no network and run no script but their own."""

import secrets
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rayrl.files import write_whole
from rayrl.report import text
from rayrl.report.drawing import svg

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, **values: Any) -> str:
    """The whole page. All text is escaped by the template; the page's policy allows only scripts with its nonce."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        svg,
        text.percent,
        text.duration,
        text.printable,
        text.signed_points,
        text.number,
        text.p_value,
        text.scientific,
    )
    environment.filters |= {function.__name__: function for function in filters}
    return environment.get_template(template).render(
        nonce=secrets.token_urlsafe(16),
        **values,
    )


def write_page(folder: Path, page: str) -> Path:
    """Writes `folder`/report.html in one move; returns its path."""
    target = folder / "report.html"
    write_whole(target, page)
    return target

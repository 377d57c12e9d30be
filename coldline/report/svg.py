# SPDX-License-Identifier: GPL-2.0-or-later
"""The elements of an SVG drawing, as text. These functions escape the text that they are given."""

from collections.abc import Iterable
from html import escape

INK, SOFT, LINE = "#22303a", "#66737c", "#7d868c"
"""The colours of text, of secondary text, and of lines."""

_MONOSPACE = "DejaVu Sans Mono, Menlo, Consolas, monospace"


def document(width: float, height: float, title: str, description: str, parts: Iterable[str]) -> str:
    """A whole SVG file, with a white background."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="11" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        '<defs><pattern id="zero" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff" fill-opacity=".5"/>'
        '<path d="M0 0V6" stroke="#fff" stroke-width="3"/></pattern></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    )
    return "\n".join([*head, *parts, "</svg>", ""])


def rectangle(
    x: float, y: float, width: float, height: float, fill: str, *, line: str = "", title: str = ""
) -> str:
    """A rectangle; `title` is its tooltip."""
    stroke = f' stroke="{line}"' if line else ""
    head = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{stroke}'
    return f"{head}><title>{escape(title)}</title></rect>" if title else f"{head}/>"


def path(data: str, *, fill: str = "none", line: str = LINE) -> str:
    """A line or a shape; `data` is SVG path data."""
    return f'<path d="{data}" fill="{fill}" stroke="{line}" stroke-width=".8"/>'


def text_at(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 11,
    bold: bool = False,
    mono: bool = False,
    soft: bool = False,
    anchor: str = "start",
) -> str:
    """A line of text with its baseline at `y`."""
    look = f' font-size="{size}"' if size != 11 else ""
    look += ' font-weight="bold"' if bold else ""
    look += f' font-family="{_MONOSPACE}" font-size="10"' if mono else ""
    look += f' fill="{SOFT}"' if soft else ""
    look += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{look}>{escape(text)}</text>'

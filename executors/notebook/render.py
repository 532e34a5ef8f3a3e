"""Renders a notebook to one HTML file that opens without a network: no script, no style, no font from elsewhere."""

from __future__ import annotations

from typing import Any

from jinja2 import DictLoader
from nbconvert import HTMLExporter

from executors.notebook.document import FAILED_TAG

TEMPLATE = "control_room.html.j2"
# JupyterLab's look without what it fetches: require.js, MathJax, Mermaid and the widgets' renderer.
SOURCE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock html_head_js -%}
{%- block jupyter_widgets -%}{%- endblock jupyter_widgets -%}
{%- block html_head_js_mathjax -%}{%- endblock html_head_js_mathjax -%}
{%- block html_head_js_mermaidjs -%}{%- endblock html_head_js_mermaidjs -%}
"""


def to_html(notebook: Any, title: str) -> str:
    """The notebook with its outputs as a self-contained page; LaTeX stays as it was written.

    A notebook whose metadata has ``{"control_room": {"hide_input": true}}`` is rendered without its code, as a report,
    unless a cell of it failed: then the code is what the reader needs.
    """
    hidden = hides_input(notebook)
    exporter = HTMLExporter(
        template_name="lab",
        template_file=TEMPLATE,
        extra_loaders=[DictLoader({TEMPLATE: SOURCE})],
        embed_images=True,
        exclude_input=hidden,
        exclude_input_prompt=hidden,
        exclude_output_prompt=hidden,
    )
    body, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return str(body)


def hides_input(notebook: Any) -> bool:
    """Whether the page goes without code."""
    wanted = notebook.metadata.get("control_room", {}).get("hide_input") is True
    return wanted and not any(FAILED_TAG in cell.metadata.get("tags", []) for cell in notebook.cells)

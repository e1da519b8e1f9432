"""Saved notebooks as web pages to hand out: one file each, with its pictures in it; nothing is fetched.

What a notebook shows is what it has saved; nothing is executed. Leaves out whatever moves: a widget is its
last picture and its text.
"""
import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
body { color: #1f2328; background: #fff; }
pre, code { font: 0.875rem/1.4 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.3rem 0; }
.highlight { margin: 0.4rem 0; padding: 0.4rem 0.8rem; background: #f3f4f6; border-left: 3px solid #8b949e; }
.output_area { padding-left: 1rem; overflow-x: auto; }
.prompt, .anchor-link { display: none; }
img { max-width: 100%; background: #fff; }
table { border-collapse: collapse; font-size: 0.8rem; }
th, td { padding: 0.2rem 0.4rem; border-bottom: 1px solid #d0d7de; text-align: left !important; }
a { color: #0550ae; }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117; } a { color: #79b8ff; }
  th, td { border-color: #30363d; } .highlight { background: #161b22; }
}
@media print { body { max-width: none; margin: 0; } pre, img { break-inside: avoid; } }
"""


def _colours(style: str) -> str:
    return HtmlFormatter(style=style).get_style_defs(".highlight")


CODE = f"{_colours('friendly')} @media (prefers-color-scheme: dark) {{ {_colours('github-dark')} }}"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style></head><body>
{body}
</body></html>
"""


def title_of(notebook: nbformat.NotebookNode, otherwise: str) -> str:
    """The notebook's first heading, without its marks."""
    match = re.search(r"^# +(.+)$", notebook.cells[0].source if notebook.cells else "", re.MULTILINE)
    return match[1].strip() if match else otherwise


def page(path: Path) -> tuple[str, str]:
    """The title of a saved notebook, and all of it as a web page; links to notebooks lead to their pages."""
    notebook = nbformat.read(path, as_version=4)
    title = title_of(notebook, path.stem)
    exporter = HTMLExporter(template_name="basic", embed_images=True)
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"path": str(path.parent)}})
    body = re.sub(r'href="(?!https?:)([^"#]+)\.ipynb', r'href="\1.html', body)
    # What a picture shows is said in the text beside it.
    body = re.sub(r'(<img alt=)"[^"]*"', r'\1"picture, described in the text beside it"', body)
    return title, _whole(title, body)


def _whole(title: str, body: str) -> str:
    return PAGE.format(title=html.escape(title), style=_STYLE + CODE, body=body)


def write(paths: Iterable[Path], folder: Path) -> Iterator[Path]:
    """Write each notebook's page into `folder`, within a folder named as its own, and an index.html."""
    links = []
    for path in paths:
        to = folder / path.parent.name / f"{path.stem}.html"
        to.parent.mkdir(parents=True, exist_ok=True)
        title, text = page(path)
        to.write_text(text, encoding="utf-8")
        links.append(f'<li><a href="{to.relative_to(folder).as_posix()}">{html.escape(title)}</a></li>')
        yield to
    index = folder / "index.html"
    body = "\n".join(["<h1>Handouts</h1>", "<ul>", *links, "</ul>"])
    index.write_text(_whole("Handouts", body), encoding="utf-8")
    yield index

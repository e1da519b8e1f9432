"""The notebooks' prose, cut into cells, units and sentences."""
import ast
import io
import json
import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A paragraph, a point of a list, a row of a table.
UNIT = re.compile(r"\n\s*\n|\n(?=\* |\d+\. |\| |    )")
END = re.compile(r"""(?<=[.!?])([*)"]*)\s+(?=[A-Z`"*(\[\d]|
                     (?:secretmem|guest_memfd|ramfs|mlocked|kcompactd|compact_memory)\b)""", re.VERBOSE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")
# The course, in the order in which it is read.
COURSE = ("00", "01", "02", "03", "04", "05", "06", "07", "07b", "08", "09", "10", "11", "12")


def lesson(number):
    """The notebook with this number."""
    path, = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return path


def read(path):
    """The cells of a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    """A cell's text."""
    return "".join(cell["source"])


def text_cells(path):
    """Of each text cell: (id, its units, one a line, with single blanks between words, without headings)."""
    for cell in read(path):
        if cell["cell_type"] == "markdown":
            units = UNIT.split(re.sub(r"^#.*$", "", source(cell), flags=re.MULTILINE))
            told = [" ".join(unit.split()) for unit in units if not unit.startswith(("    ", "|---"))]
            yield cell["id"], "\n".join(told)


def code_texts(cell):
    """What a code cell says in words: its texts, without keys, and its comments."""
    tree = ast.parse(source(cell))
    keys = {id(node.args[0]) for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args
            and getattr(node.func, "attr", "") in ("ask", "answer")}
    keys |= {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in keys:
            yield node.value
    for token in tokenize.generate_tokens(io.StringIO(source(cell)).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def sentences(text):
    """The sentences of a cell's text; a row of a table is one."""
    for unit in filter(None, text.split("\n")):
        begin = 0
        for end in () if unit.startswith("|") else END.finditer(unit):
            yield unit[begin:end.end(1)]
            begin = end.end()
        yield unit[begin:]


def told(path):
    """Its sentences as (cell, sentence): without tables, and without the line of sources."""
    for cell, text in text_cells(path):
        for sentence in sentences(text):
            if not sentence.startswith(("|", "**Kernel", "<")) and re.search(r"\w", sentence):
                yield cell, sentence

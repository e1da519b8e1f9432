"""How long a notebook takes: an estimate from what it asks for, the same for all of them.

Fitted to the times of a student who worked through the whole course with a clock.
Leaves out exercises, whose minutes were measured one by one.
"""
WORDS_A_MINUTE = 140                    # of a text with new words in it
A_CODE_CELL, A_PREDICTION, A_WIDGET = 0.6, 1.5, 4.0         # minutes, beyond the reading


def minutes(cells: list[dict]) -> int:
    """Of a notebook's cells, as nbformat has them: minutes, to the nearest 5."""
    text = {kind: ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]
            for kind in ("markdown", "code")}
    words = sum(len(source.split()) for source in text["markdown"])
    asked = sum(".ask(" in source for source in text["code"])
    widgets = sum(source.rstrip().endswith(".box") for source in text["code"])
    needed = (words / WORDS_A_MINUTE + A_CODE_CELL * len(text["code"]) + A_PREDICTION * asked
              + A_WIDGET * widgets)
    return 5 * round(needed / 5)

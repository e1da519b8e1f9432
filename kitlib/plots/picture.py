"""An image and the text of what it shows, and the fonts: what all pictures share."""
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import matplotlib
from PIL import Image, ImageFont

SCALE = 2                               # pixels drawn for each one shown


class Picture:
    """An image with a text of what it shows: shown is the one, nbval and screen readers read the other."""

    def __init__(self, image: Image.Image, text: str):
        self.image = image
        self.text = text

    @property
    def png(self) -> bytes:
        """The image as a PNG file."""
        file = BytesIO()
        self.image.save(file, "PNG")
        return file.getvalue()

    def _repr_png_(self):
        width, height = self.image.size
        return self.png, {"width": width // SCALE, "height": height // SCALE, "alt": self.text}

    def __repr__(self):
        return self.text


@lru_cache(maxsize=64)
def font(size: float, style: str = "") -> ImageFont.FreeTypeFont:
    """DejaVu Sans as it comes with matplotlib; style "-Bold", "Mono" or "Mono-Bold"."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"DejaVuSans{style}.ttf")
    # Not Raqm, which Pillow takes where it is installed: its widths differ, and so would the pictures.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)

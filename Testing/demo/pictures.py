"""Panels, captions and legends around rendered pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BACKGROUND = (255, 255, 255)
INK = (30, 34, 40)
MARGIN = 18
MINIMUM_WIDTH = 900
TITLE_PIXELS = 22
TEXT_PIXELS = 19


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


class Legend:
    """Rows of colours with words."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, tuple[float, float, float], bool]] = []

    def filled(self, text: str, color: tuple[float, float, float]) -> None:
        self._entries.append((text, color, True))

    def outlined(self, text: str, color: tuple[float, float, float]) -> None:
        self._entries.append((text, color, False))

    def new_line(self) -> None:
        self._entries.append(("", (1.0, 1.0, 1.0), True))

    def draw(self, width: int) -> Image.Image:
        """The legend as a picture of the given width; breaks into lines."""
        places, lines = self._places(width)
        picture = Image.new("RGB", (width, lines * (TEXT_PIXELS + 14) + MARGIN), BACKGROUND)
        pen = ImageDraw.Draw(picture)
        for (text, color, is_filled), (x, line) in zip(self._entries, places, strict=True):
            if not text:
                continue
            y = line * (TEXT_PIXELS + 14)
            rgb = tuple(round(255 * part) for part in color)
            box = (x, y + 3, x + 28, y + 3 + TEXT_PIXELS)
            if is_filled:
                pen.rectangle(box, fill=rgb)
            else:
                pen.rectangle(box, fill=(110, 110, 110))
                pen.rectangle((box[0] + 4, box[1] + 4, box[2] - 4, box[3] - 4), outline=rgb, width=3)
            pen.text((x + 38, y), text, fill=INK, font=font(TEXT_PIXELS))
        return picture

    def _places(self, width: int) -> tuple[list[tuple[int, int]], int]:
        places, x, line = [], MARGIN, 0
        for text, _, _ in self._entries:
            if not text:
                places.append((x, line))
                x, line = MARGIN, line + 1
                continue
            needed = 38 + round(font(TEXT_PIXELS).getlength(text)) + 30
            if x > MARGIN and x + needed > width:
                x, line = MARGIN, line + 1
            places.append((x, line))
            x += needed
        return places, line + 1


def join_panels(panels: list[np.ndarray], titles: list[str]) -> Image.Image:
    """Panels side by side, each with a title above."""
    height, width = panels[0].shape[:2]
    top = TITLE_PIXELS + 16
    picture = Image.new("RGB", (len(panels) * (width + MARGIN) + MARGIN, top + height), BACKGROUND)
    pen = ImageDraw.Draw(picture)
    for index, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        x = MARGIN + index * (width + MARGIN)
        pen.text((x, 6), title, fill=INK, font=font(TITLE_PIXELS))
        picture.paste(Image.fromarray(panel), (x, top))
    return picture


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures next to each other, on white."""
    whole = Image.new("RGB", (left.width + MARGIN + right.width, max(left.height, right.height)), BACKGROUND)
    whole.paste(left, (0, (whole.height - left.height) // 2))
    whole.paste(right, (left.width + MARGIN, (whole.height - right.height) // 2))
    return whole


def with_caption(picture: Image.Image, caption: str, legend: Legend) -> Image.Image:
    """Caption above, legend below."""
    width = max(picture.width, MINIMUM_WIDTH)
    rows = legend.draw(width)
    top = TITLE_PIXELS + 2 * MARGIN
    whole = Image.new("RGB", (width, top + picture.height + MARGIN + rows.height), BACKGROUND)
    ImageDraw.Draw(whole).text((MARGIN, MARGIN), caption, fill=INK, font=font(TITLE_PIXELS + 4))
    whole.paste(picture, ((width - picture.width) // 2, top))
    whole.paste(rows, (0, top + picture.height + MARGIN))
    return whole


def trimmed(pixels: np.ndarray, background_tolerance: int) -> Image.Image:
    """Cut empty rows and columns off, but leave some air."""
    background = pixels[:, :1].astype(int)  # the first column holds the background's gradient
    busy = np.abs(pixels.astype(int) - background).sum(axis=2) > background_tolerance
    if not busy.any():
        return Image.fromarray(pixels)
    rows, columns = np.flatnonzero(busy.any(axis=1)), np.flatnonzero(busy.any(axis=0))
    air = 60
    top, bottom = max(rows[0] - air, 0), min(rows[-1] + air, pixels.shape[0])
    left, right = max(columns[0] - air, 0), min(columns[-1] + air, pixels.shape[1])
    return Image.fromarray(pixels[top:bottom, left:right])

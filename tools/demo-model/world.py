"""The demo model's whole world: shapes, colours, sizes and nine places. Draws nothing; see draw.py."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from grid import CROP_SIZE, GRIDS, choose_grid

SHAPES = ["circle", "square", "triangle", "star", "ring", "cross"]
COLORS = {  # name -> (hue range in degrees or None, saturation range, value range)
    "red": ((-6, 5), (0.82, 1.0), (0.78, 1.0)),
    "orange": ((25, 34), (0.88, 1.0), (0.94, 1.0)),
    "yellow": ((51, 58), (0.75, 1.0), (0.92, 1.0)),
    "green": ((110, 145), (0.70, 1.0), (0.45, 0.75)),
    "blue": ((212, 234), (0.78, 1.0), (0.65, 1.0)),
    "purple": ((270, 285), (0.65, 0.95), (0.45, 0.68)),
    "pink": ((318, 338), (0.30, 0.50), (0.96, 1.0)),
    "black": (None, (0, 0.05), (0.0, 0.09)),
    "white": (None, (0, 0.03), (0.95, 1.0)),
    "gray": (None, (0, 0.04), (0.44, 0.58)),
}
COLOR_NAMES = list(COLORS)
CELLS = [
    "at the top left",
    "at the top",
    "at the top right",
    "on the left",
    "in the center",
    "on the right",
    "at the bottom left",
    "at the bottom",
    "at the bottom right",
]
DIGITS = "0123456789"
LETTERS = "ACEHKLTUXY"  # those that small print does not confuse
GLYPHS = DIGITS + LETTERS
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six"]
SMALL, LARGE = (0.44, 0.53), (0.70, 0.84)  # diameter as a share of a cell's shorter side


@dataclass(frozen=True)
class Thing:
    shape: str
    color: str
    size: str  # "small" | "large"
    x: float  # centre, 0..1 of the picture's width
    y: float  # centre, 0..1 of the picture's height
    diameter: float  # share of a cell's shorter side
    turn: float  # degrees
    shade: tuple  # RGB, the jittered colour

    @property
    def cell(self):
        return min(2, int(self.y * 3)) * 3 + min(2, int(self.x * 3))

    @property
    def settled(self):
        """Well inside one cell, so that its place has one name."""
        return all(0.1 < (v * 3) % 1 < 0.9 for v in (self.x, self.y))


@dataclass(frozen=True)
class Glyph:
    char: str
    x: float
    y: float
    height: float  # pixels of the cut picture
    ink: tuple
    plate: tuple | None
    bold: bool


@dataclass(frozen=True)
class Scene:
    width: int
    height: int
    things: tuple = ()
    backdrop: str = "plain"  # "plain" | "gradient" | "noise"
    color: str = "white"  # of the backdrop; of a gradient the first colour
    shades: tuple = ((255, 255, 255), (255, 255, 255))
    angle: float = 0.0  # of a gradient
    grain: int = 0  # noise over everything, standard deviation
    smooth: bool = True  # antialiased edges
    seed: int = 0  # of the grain
    glyphs: tuple = ()


def shade(rng: random.Random, color: str):
    """RGB of a random shade of this colour, from HSV."""
    hue, sat, val = COLORS[color]
    h = rng.uniform(*hue) % 360 if hue else rng.uniform(0, 360)
    s, v = rng.uniform(*sat), rng.uniform(*val)

    def channel(n):
        k = (n + h / 60) % 6
        return round(255 * (v - v * s * max(0.0, min(k, 4 - k, 1))))

    return channel(5), channel(3), channel(1)


def canvas(rng: random.Random, cut: bool):
    """Width and height: mostly photo-like, sometimes long strips."""
    spread = 0.6 if rng.random() < 0.85 else 1.4
    ratio = math.exp(rng.uniform(-spread, spread))
    if cut and rng.random() < 0.6:  # drawn at the size that cutting will use, which saves a resize
        r, c = min(GRIDS, key=lambda g: abs(math.log(g[1] / g[0] / ratio)))
        return CROP_SIZE * c, CROP_SIZE * r
    area = (rng.uniform(260, 520) if cut else rng.uniform(130, 300)) ** 2
    return max(100, round(math.sqrt(area * ratio))), max(100, round(math.sqrt(area / ratio)))


def backdrop(rng: random.Random, color=None, kind=None):
    kind = kind or rng.choices(["plain", "gradient", "noise"], [5, 3, 2])[0]
    color = color or rng.choice([*COLOR_NAMES, "white", "white", "gray", "black"])
    a = shade(rng, color)
    b = a
    if kind == "gradient":
        b = shade(rng, rng.choice([c for c in COLOR_NAMES if c != color]))
        b = tuple(round(x + (y - x) * rng.uniform(0.5, 1)) for x, y in zip(a, b, strict=True))
    grain = rng.randint(14, 30) if kind == "noise" else rng.choice([0, 0, 0, 2, 4, 7])
    return dict(
        backdrop=kind,
        color=color,
        shades=(a, b),
        angle=rng.uniform(0, 2 * math.pi),
        grain=grain,
        smooth=rng.random() < 0.85,
        seed=rng.randrange(1 << 30),
    )


def distance(a, b):
    """A rough perceptual distance of two RGB colours."""
    r, g, bl = (x - y for x, y in zip(a, b, strict=True))
    return math.sqrt(2 * r * r + 4 * g * g + 3 * bl * bl) / 3


def visible(rgb, scene_shades):
    a, b = scene_shades
    path = [tuple(x + (y - x) * t for x, y in zip(a, b, strict=True)) for t in (0, 0.5, 1)]
    return all(distance(rgb, p) > 48 for p in path)


def free_colors(back):
    """Colours that stand out on this backdrop."""
    mid = {c: shade(random.Random(1), c) for c in COLOR_NAMES}
    names = [c for c in COLOR_NAMES if c != back["color"] and visible(mid[c], back["shades"])]
    return names or [c for c in COLOR_NAMES if c != back["color"]]


def thing(rng: random.Random, shape, color, size, cell, w, h):
    d = rng.uniform(*(SMALL if size == "small" else LARGE))
    m = min(w, h)
    room_x, room_y = (max(0.0, 0.5 - d * m / s / 2 - 0.02) for s in (w, h))
    x = (cell % 3 + 0.5 + rng.uniform(-1, 1) * min(room_x, 0.2)) / 3
    y = (cell // 3 + 0.5 + rng.uniform(-1, 1) * min(room_y, 0.2)) / 3
    turn = 0.0 if rng.random() < 0.5 else rng.uniform(-12, 12)
    return Thing(shape, color, size, x, y, d, turn, shade(rng, color))


def scene(rng: random.Random, n=None, cut=True, size=None, back=None, glyphs=None, palette=None) -> Scene:
    """A random picture with n things; repeated shapes and colours are common enough to be counted."""
    w, h = size or canvas(rng, cut)
    back = back or backdrop(rng)
    n = rng.choices(range(7), [4, 20, 22, 20, 16, 9, 9])[0] if n is None else n
    colors = palette or free_colors(back)
    few_shapes = rng.sample(SHAPES, rng.choice([1, 2, 2, 3, 6, 6]))
    few_colors = rng.sample(colors, min(len(colors), rng.choice([1, 2, 3, 3, 10])))
    shapes = few_shapes if rng.random() < 0.5 else SHAPES
    colors = few_colors if rng.random() < 0.4 else colors
    strip = max(w / h, h / w) > 2.2
    things = []
    for cell in sorted(rng.sample(range(9), n)):
        shape, color = rng.choice(shapes), rng.choice(colors)
        large = strip and rng.random() < 0.6
        things.append(thing(rng, shape, color, "large" if large else rng.choice(["small", "large"]), cell, w, h))
    s = Scene(w, h, tuple(things), **back)
    k = (rng.choices([0, 1, 2], [5, 4, 1])[0] if glyphs is None else glyphs) if cut else 0
    return add_glyphs(rng, s, k)


def add_glyphs(rng: random.Random, s: Scene, k: int) -> Scene:
    """Adds small print that only a crop resolves, beside the things and inside one crop.

    k = 1, 2: a digit, a letter or both; more: the rest of any kind.
    """
    r, c = choose_grid(s.width, s.height)
    w, h = c * CROP_SIZE, r * CROP_SIZE  # of the picture when it is cut
    scale = CROP_SIZE * math.sqrt(c * r / (s.width * s.height))
    m = min(s.width, s.height) / 3 * scale
    chars = [rng.choice(DIGITS), rng.choice(LETTERS)]
    rng.shuffle(chars)
    chars += rng.choices(GLYPHS, k=max(0, k - 2))
    out = []
    for char in chars[:k]:
        for _ in range(40):
            gh = rng.uniform(13, 17.5)
            x, y = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95)
            px, py = x * w, y * h
            if min(min(p % CROP_SIZE, CROP_SIZE - p % CROP_SIZE) for p in (px, py)) < gh * 0.85:
                continue
            if any(math.hypot(px - t.x * w, py - t.y * h) < t.diameter * m / 2 + gh for t in s.things):
                continue
            if any(math.hypot(px - g.x * w, py - g.y * h) < 3 * gh for g in out):
                continue
            light = sum(s.shades[0]) + sum(s.shades[1]) > 6 * 128
            ink = tuple(rng.randint(0, 30) if light else rng.randint(225, 255) for _ in range(3))
            plate = None
            if s.backdrop != "plain" or rng.random() < 0.4:
                dark = rng.random() < 0.3
                plate = tuple(rng.randint(0, 30) if dark else rng.randint(230, 255) for _ in range(3))
                ink = tuple(rng.randint(230, 255) if dark else rng.randint(0, 30) for _ in range(3))
            out.append(Glyph(char, x, y, gh, ink, plate, rng.random() < 0.5))
            break
    return replace(s, glyphs=tuple(out))

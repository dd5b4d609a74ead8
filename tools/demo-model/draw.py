"""Scene -> PIL picture."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from grid import CROP_SIZE, choose_grid
from world import Scene, Thing


@lru_cache(1)
def noise_table():
    return np.random.default_rng(7).normal(0, 1, (1500, 1500, 3)).astype(np.float32)


def noise(seed, h, w):
    """A window of a fixed table of normal noise: much cheaper than drawing fresh noise for every picture."""
    r = np.random.default_rng(seed)
    y, x = r.integers(0, max(1, 1500 - h)), r.integers(0, max(1, 1500 - w))
    n = noise_table()[y : y + h, x : x + w]
    if n.shape[:2] != (h, w):
        n = r.normal(0, 1, (h, w, 3)).astype(np.float32)
    return n


def draw(s: Scene, mask=False):
    """The picture; with mask also where anything is drawn on the backdrop, as a gray picture."""
    a, b = (np.array(c, np.float32) for c in s.shades)
    if s.backdrop == "gradient":
        dx, dy = math.cos(s.angle), math.sin(s.angle)
        y, x = (
            np.arange(s.height, dtype=np.float32)[:, None] / s.height - 0.5,
            np.arange(s.width, dtype=np.float32)[None] / s.width - 0.5,
        )
        t = (x * dx + y * dy) / (abs(dx) + abs(dy)) + 0.5
        img = a + (b - a) * t[..., None]
    else:
        img = np.empty((s.height, s.width, 3), np.float32)
        img[:] = a
    where = np.zeros((s.height, s.width), np.uint8) if mask else None
    for t in s.things:
        stamp(img, t, s, where)
    if s.grain:
        img += noise(s.seed, s.height, s.width) * s.grain
    np.clip(img + 0.5, 0, 255, out=img)
    out = Image.fromarray(img.astype(np.uint8))
    where = Image.fromarray(where) if mask else None
    for g in s.glyphs:
        write(out, g, s, where)
    return (out, where) if mask else out


def stamp(img, t: Thing, s: Scene, where=None):
    """Blends one thing into img; the mask is drawn four times too large when edges are to be smooth."""
    h, w, _ = img.shape
    r = t.diameter * min(w, h) / 6
    cx, cy = t.x * w, t.y * h
    x0, y0 = math.floor(cx - r) - 1, math.floor(cy - r) - 1
    n = math.ceil(2 * r) + 3
    k = 4 if s.smooth else 1
    m = Image.new("L", (n * k, n * k))
    outline(ImageDraw.Draw(m), t, (cx - x0) * k, (cy - y0) * k, r * k)
    if k > 1:
        m = m.reduce(k)
    a = np.asarray(m, np.float32)[..., None] / 255
    top, left, bottom, right = max(0, y0), max(0, x0), min(h, y0 + n), min(w, x0 + n)
    if top >= bottom or left >= right:
        return
    a = a[top - y0 : bottom - y0, left - x0 : right - x0]
    area = img[top:bottom, left:right]
    area += (np.array(t.shade, np.float32) - area) * a
    if where is not None:
        w = where[top:bottom, left:right]
        np.maximum(w, (a[..., 0] * 255).astype(np.uint8), out=w)


def outline(d: ImageDraw.ImageDraw, t: Thing, cx, cy, r):
    def poly(points):
        c, s = math.cos(math.radians(t.turn)), math.sin(math.radians(t.turn))
        d.polygon([(cx + r * (x * c - y * s), cy + r * (x * s + y * c)) for x, y in points], fill=255)

    if t.shape in ("circle", "ring"):
        d.ellipse([cx - r, cy - r, cx + r, cy + r], fill=255)
        if t.shape == "ring":
            q = r * 0.56
            d.ellipse([cx - q, cy - q, cx + q, cy + q], fill=0)
    elif t.shape == "square":
        q = 0.84
        poly([(-q, -q), (q, -q), (q, q), (-q, q)])
    elif t.shape == "triangle":
        poly([(0, -1), (0.96, 0.76), (-0.96, 0.76)])
    elif t.shape == "star":
        poly(
            [
                (
                    (1 if i % 2 == 0 else 0.42) * math.sin(i * math.pi / 5),
                    -(1 if i % 2 == 0 else 0.42) * math.cos(i * math.pi / 5),
                )
                for i in range(10)
            ]
        )
    else:
        a, b = 0.30, 0.95
        poly(
            [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]
        )


@lru_cache(256)
def font(size):
    return ImageFont.load_default(size)


@lru_cache(4096)
def letter(char, tall, bold):
    """White on black mask of a character whose ink is `tall` pixels high."""
    f = font(max(6, round(tall * 1.38)))
    m = Image.new("L", (tall * 3 + 12, tall * 3 + 12))
    ImageDraw.Draw(m).text(
        (m.width // 2, m.height // 2), char, 255, f, anchor="mm", stroke_width=max(1, tall // 12) if bold else 0
    )
    return m.crop(m.getbbox())


def write(img: Image.Image, g, s: Scene, where=None):
    r, c = choose_grid(s.width, s.height)
    scale = math.sqrt(s.width * s.height / (c * r)) / CROP_SIZE
    m = letter(g.char, max(8, round(g.height * scale)), g.bold)
    x, y = round(g.x * s.width - m.width / 2), round(g.y * s.height - m.height / 2)
    if g.plate:
        p = max(2, round(m.height * 0.22))
        ImageDraw.Draw(img).rectangle([x - p, y - p, x + m.width + p - 1, y + m.height + p - 1], fill=g.plate)
    img.paste(Image.new("RGB", m.size, g.ink), (x, y), m)
    if where is not None:
        where.paste(255, (x, y), m)

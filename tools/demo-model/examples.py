"""Draws the pictures and clips of examples/: python examples.py FOLDER (needs ffmpeg)."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from draw import draw
from world import Glyph, Scene, Thing, shade

PLACES = {(r, c): ((c + 0.5) / 3, (r + 0.5) / 3) for r in range(3) for c in range(3)}


def put(shape, color, size, place, seed=1):
    x, y = PLACES.get(place, place)
    return Thing(shape, color, size, x, y, 0.78 if size == "large" else 0.49, 0.0, shade(random.Random(seed), color))


def on(color, w, h, *things, kind="plain", to=None, **more):
    a = shade(random.Random(2), color)
    return Scene(w, h, things, backdrop=kind, color=color, shades=(a, shade(random.Random(3), to) if to else a), **more)


SHAPES = on(
    "white",
    600,
    400,
    put("circle", "red", "large", (0, 0)),
    put("star", "blue", "small", (1, 1)),
    put("ring", "green", "large", (2, 2)),
)
STILLS = {
    "shapes": SHAPES,
    "six": on(
        "yellow",
        480,
        480,
        *(
            put(s, c, z, p)
            for s, c, z, p in [
                ("square", "red", "large", (0, 0)),
                ("square", "blue", "small", (0, 2)),
                ("circle", "black", "large", (1, 1)),
                ("triangle", "purple", "large", (2, 0)),
                ("square", "green", "large", (2, 1)),
                ("star", "red", "small", (2, 2)),
            ]
        ),
    ),
    "print": on(
        "gray",
        756,
        504,
        put("triangle", "yellow", "large", (0, 2)),
        put("cross", "white", "small", (1, 0)),
        glyphs=(
            Glyph("7", 0.24, 0.78, 14.5, (15, 15, 15), (245, 245, 245), True),
            Glyph("K", 0.62, 0.30, 14.5, (15, 15, 15), (245, 245, 245), True),
        ),
    ),
    "before": on(
        "blue",
        400,
        400,
        put("circle", "yellow", "large", (0, 1)),
        put("square", "white", "small", (2, 0)),
        kind="gradient",
        to="purple",
    ),
    "after": on(
        "blue",
        400,
        400,
        put("circle", "yellow", "large", (0, 1)),
        put("square", "red", "small", (2, 0)),
        kind="gradient",
        to="purple",
    ),
    "strip": on(
        "black",
        450,
        150,
        put("star", "orange", "large", (1, 0)),
        put("cross", "green", "large", (1, 2)),
        kind="noise",
        grain=20,
        seed=6,
    ),
}


def moving(i, n):
    return on(
        "white",
        320,
        240,
        put("circle", "red", "large", (0.2 + 0.6 * i / (n - 1), 0.5)),
        put("square", "blue", "small", (2, 1)),
    )


def appearing(i, n):
    star = (put("star", "yellow", "large", (0, 2)),) if i >= n // 2 else ()
    return on("gray", 320, 240, put("triangle", "green", "large", (2, 0)), *star)


def order(i, n):
    s, c = [("circle", "green"), ("cross", "purple"), ("star", "red")][3 * i // n]
    return on("white", 240, 240, put(s, c, "large", (1, 1)))


CLIPS = {"moving.mp4": (moving, 60, 10), "appears.mp4": (appearing, 60, 10), "order.gif": (order, 6, 1)}


def film(path, scenes, fps):
    if path.suffix == ".gif":
        first, *rest = [draw(s) for s in scenes]
        first.save(path, save_all=True, append_images=rest, duration=1000 // fps, loop=0)
        return
    w, h = scenes[0].width, scenes[0].height
    subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            f"{w}x{h}",
            "-r",
            str(fps),
            "-i",
            "-",
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-crf",
            "20",
            "-fflags",
            "+bitexact",
            "-flags:v",
            "+bitexact",
            str(path),
        ],
        input=b"".join(draw(s).tobytes() for s in scenes),
        check=True,
    )


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, s in STILLS.items():
        draw(s).save(folder / f"{name}.png", optimize=True)
    for name, (make, n, fps) in CLIPS.items():
        film(folder / name, [make(i, n) for i in range(n)], fps)


if __name__ == "__main__":
    main(*sys.argv[1:])

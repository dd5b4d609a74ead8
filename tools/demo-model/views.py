"""A picture cut into crops as mPLUG-Owl3 cuts it, and what there is to see at each patch of each crop.

A view is a crop or, last, the global view. The vision warm-up learns the labels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from columns import Columns
from grid import CROP_SIZE, choose_grid
from world import COLOR_NAMES, GLYPHS, SHAPES, Scene

PATCH_SIZE, SIDE = 14, 9  # pixels a side of a patch, patches a side of a view
PATCHES = SIDE * SIDE
PER_PATCH = Columns(
    shape=len(SHAPES) + 1,
    color=len(COLOR_NAMES),
    size=2,
    cell=9,
    middle=2,
    glyph=len(GLYPHS) + 1,
)
# The model is asked these at every patch of a view.
PER_VIEW = Columns(
    view=2,
    backdrop=3,
    ground=len(COLOR_NAMES),
    total=7,
    **{f"n_{s}": 7 for s in SHAPES},
    **{f"n_{c}": 7 for c in COLOR_NAMES},
)


def cut(img: Image.Image, whole_only=False):
    """uint8 [n, 126, 126, 3], the global view last, and the grid (None when the picture is not cut)."""
    view = np.asarray(img.resize((CROP_SIZE, CROP_SIZE), Image.BICUBIC))[None]
    if whole_only:
        return view, None
    r, c = choose_grid(*img.size)
    big = np.asarray(img.resize((c * CROP_SIZE, r * CROP_SIZE), Image.BICUBIC))
    crops = big.reshape(r, CROP_SIZE, c, CROP_SIZE, 3).swapaxes(1, 2).reshape(r * c, CROP_SIZE, CROP_SIZE, 3)
    return np.concatenate([crops, view]), (r, c)


def outlines(mask: Image.Image, grid):
    """uint8 [views, 81, 49]: how much of each 2 x 2 block of each patch is drawn on."""
    k = CROP_SIZE // 2
    views = [np.asarray(mask.resize((k, k), Image.BOX))[None]]
    if grid:
        r, c = grid
        big = np.asarray(mask.resize((c * k, r * k), Image.BOX))
        views = [big.reshape(r, k, c, k).swapaxes(1, 2).reshape(r * c, k, k), *views]
    x = np.concatenate(views)
    return x.reshape(-1, SIDE, 7, SIDE, 7).swapaxes(2, 3).reshape(-1, PATCHES, 49)


def boxes(grid):
    """(left, top, width, height) of every view as shares of the picture."""
    whole = (0.0, 0.0, 1.0, 1.0)
    if not grid:
        return [whole]
    r, c = grid
    return [(j / c, i / r, 1 / c, 1 / r) for i in range(r) for j in range(c)] + [whole]


def labels(s: Scene, grid):
    """int8 [views, 81, per patch] and int8 [views, per view], with the columns of PER_PATCH and PER_VIEW."""
    parts = boxes(grid)
    patch, view = PER_PATCH.unasked(len(parts), PATCHES), PER_VIEW.unasked(len(parts))
    for nothing in ("shape", "middle", "glyph"):
        patch[nothing][:] = 0
    for v, box in enumerate(parts):
        whole = v == len(parts) - 1
        label_patches(s, box, whole, bool(grid), {name: column[v] for name, column in patch.items()})
        view["view"][v] = 0 if whole else 1
        view["backdrop"][v] = ["plain", "gradient", "noise"].index(s.backdrop)
        if s.backdrop != "gradient":
            view["ground"][v] = COLOR_NAMES.index(s.color)
    view["total"][-1] = len(s.things)
    for name in SHAPES:
        view[f"n_{name}"][-1] = sum(t.shape == name for t in s.things)
    for name in COLOR_NAMES:
        view[f"n_{name}"][-1] = sum(t.color == name for t in s.things)
    return PER_PATCH.stack(patch), PER_VIEW.stack(view)


def label_patches(s: Scene, box, whole, is_cut, patch):
    """Fills one view's columns, {question: int8 [81]}. Where things overlap in a patch, the nearest middle counts."""
    left, top, width, height = box
    kx, ky = CROP_SIZE / width, CROP_SIZE / height  # pixels of this view per picture width, height
    px = (np.arange(PATCHES) % SIDE + 0.5) * PATCH_SIZE
    py = (np.arange(PATCHES) // SIDE + 0.5) * PATCH_SIZE
    m = min(s.width, s.height)
    near = np.full(PATCHES, 9e9)
    for t in s.things:
        cx, cy = (t.x - left) * kx, (t.y - top) * ky
        rx, ry = t.diameter * m / 6 / s.width * kx, t.diameter * m / 6 / s.height * ky
        if cx + rx < 0 or cy + ry < 0 or cx - rx > CROP_SIZE or cy - ry > CROP_SIZE:
            continue
        middle = (np.abs(px - cx) <= PATCH_SIZE / 2) & (np.abs(py - cy) <= PATCH_SIZE / 2)
        d = ((px - cx) / (rx + 4)) ** 2 + ((py - cy) / (ry + 4)) ** 2
        d[middle] = 0
        on = (d < 1) & (d < near)
        near[on] = d[on]
        patch["shape"][on] = 1 + SHAPES.index(t.shape)
        patch["color"][on] = COLOR_NAMES.index(t.color)
        patch["size"][on] = (t.size == "large") if whole else -1
        patch["cell"][on] = t.cell if whole and t.settled else -1
        patch["middle"][middle] = 1
    for g in s.glyphs:
        cx, cy = (g.x - left) * kx, (g.y - top) * ky
        half = g.height / 2 + 3
        on = (np.abs(px - cx) < half) & (np.abs(py - cy) < half)
        patch["glyph"][on] = -1 if whole and is_cut else 1 + GLYPHS.index(g.char)

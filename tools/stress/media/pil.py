"""Compares raw RGB with what PIL decodes.

Each line, {"file", "raw", "width", "height"} as JSON, is answered with one.
"""

import json
import sys

import numpy
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = 10**9


def compare(file: str, raw: str, width: int, height: int) -> dict:
    try:
        with Image.open(file) as image:
            kind = f"{image.format} {image.mode}"
            there = numpy.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=numpy.int16)
    except Exception as error:  # whatever PIL says of a file that it does not decode
        return {"error": f"{type(error).__name__}: {error}"}
    here = numpy.fromfile(raw, dtype=numpy.uint8).astype(numpy.int16)
    if there.shape != (height, width, 3):
        return {"kind": kind, "size": f"{there.shape[1]} x {there.shape[0]}"}
    difference = numpy.abs(here.reshape(height, width, 3) - there)
    return {"kind": kind, "most": int(difference.max()), "mean": float(difference.mean())}


for line in sys.stdin:
    print(json.dumps(compare(**json.loads(line))), flush=True)

#!/usr/bin/env python3
"""Makes a file that llama.cpp runs of a file that owl3 convert made: the language model alone, its tensors copied.

    qwen2.py IN.gguf OUT.gguf

Needs numpy and gguf.
"""

import sys

from gguf import GGUFReader, GGUFValueType, GGUFWriter

VISION = ("v.", "mm.")  # beginnings of names
HYPER = ("attn_visual_kv", "attn_v_gate")  # parts of them


def main() -> None:
    source, out = GGUFReader(sys.argv[1]), GGUFWriter(sys.argv[2], "qwen2")
    for name, field in source.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        if name.startswith(("mplugowl3.vision.", "mplugowl3.hyper_attention.", "mplugowl3.generation.")):
            continue
        array = field.types[0] == GGUFValueType.ARRAY
        out.add_key_value(
            name.replace("mplugowl3.", "qwen2."), field.contents(), field.types[0], field.types[-1] if array else None
        )
    for tensor in source.tensors:
        if not tensor.name.startswith(VISION) and not any(part in tensor.name for part in HYPER):
            out.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    main()

"""Gives llguidance's masks of JSON texts, for comparison (see masks.mjs --llguidance).

Reads JSON lines from stdin: first {"tokens": [base64, ...], "end": id}, then {"schema": ..., "ids": [...]} each. Writes
a line for each of the latter: {"masks": [base64 of bits, ...]}, or {"error": "..."} where llguidance refuses the
schema or an id. Needs `pip install llguidance==1.9.1`.
"""

import base64
import json
import sys

import llguidance


class Tokens:
    """The tokens as llguidance wants them from a tokenizer."""

    def __init__(self, tokens: list[bytes], end: int):
        self.tokens = tokens
        self.eos_token_id = end
        self.bos_token_id = None
        self.special_token_ids = [end]

    def __call__(self, text: bytes | str) -> list[int]:
        data = text.encode() if isinstance(text, str) else text
        single = {token: id for id, token in enumerate(self.tokens) if len(token) == 1}
        return [single[bytes([byte])] for byte in data]


def main() -> None:
    head = json.loads(sys.stdin.readline())
    tokens = [base64.b64decode(token) for token in head["tokens"]]
    # Ids without bytes get some that no text has.
    named = [token or b"\xff<" + str(id).encode() + b">" for id, token in enumerate(tokens)]
    tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Tokens(named, head["end"])))
    for line in sys.stdin:
        job = json.loads(line)
        options = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
        schema = {**job["schema"], "x-guidance": options}
        matcher = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_json_schema(schema))
        masks = []
        for id in job["ids"]:
            masks.append(base64.b64encode(matcher.compute_bitmask()).decode())
            if matcher.is_error() or not matcher.consume_token(id):
                break
        error = matcher.get_error() if matcher.is_error() else ""
        print(json.dumps({"error": error} if error else {"masks": masks}), flush=True)


main()

"""Label arrays with named columns: what a head is asked at one place of the model."""

from __future__ import annotations

import numpy as np


class Columns(dict[str, int]):
    """Question -> number of its possible answers, in the order of the columns. The label -1 means: not asked."""

    def unasked(self, *shape):
        """A column of each question, {question: int8 [*shape]}, to be filled and then stacked."""
        return {name: np.full(shape, -1, np.int8) for name in self}

    def stack(self, columns):
        """{question: int8 [...]} -> int8 [..., questions]"""
        return np.stack([columns[name] for name in self], -1)

    def row(self, **labels):
        """int8 [questions]; what is not given is not asked."""
        if unknown := labels.keys() - self.keys():
            raise KeyError(f"no such columns: {sorted(unknown)}")
        return np.array([labels.get(name, -1) for name in self], np.int8)

    @property
    def logits(self):
        """The outputs of a linear head that answers all questions, one after another."""
        return sum(self.values())

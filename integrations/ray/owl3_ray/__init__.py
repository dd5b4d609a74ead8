"""Runs `owl3 batch` on the machines of a Ray cluster."""

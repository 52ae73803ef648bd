"""Radix sort of unsigned integers, for compiled loops."""

from __future__ import annotations

import numpy as np

from scmamba._compiled import compiled


@compiled
def radix_order(keys, n_bits, order, other, digits):  # type: ignore[no-untyped-def]
    """Return the indices that sort ``keys``; equal keys keep their order.

    Parameters
    ----------
    keys
        Unsigned integers, shape (n,).
    n_bits
        Number of low bits to sort by; higher bits are ignored.
    order, other
        Working space, at least (n,); the first n entries of one of them are returned.
    digits
        Working space; its length, a power of two, is the base of the digits.
    """
    n = len(keys)
    order, other = order[:n], other[:n]
    width = 0
    while (1 << width) < len(digits):
        width += 1
    used = (np.uint64(1) << np.uint64(n_bits)) - np.uint64(1)
    lowest = np.uint64(len(digits) - 1)
    for i in range(n):
        order[i] = i
    for start in range(0, n_bits, width):
        shift = np.uint64(start)
        digits[:] = 0
        for i in range(n):
            digits[np.int64(((np.uint64(keys[i]) & used) >> shift) & lowest)] += 1
        total = 0
        for digit in range(len(digits)):
            count = digits[digit]
            digits[digit] = total
            total += count
        for i in range(n):
            own = np.int64(((np.uint64(keys[order[i]]) & used) >> shift) & lowest)
            other[digits[own]] = order[i]
            digits[own] += 1
        order, other = other, order
    return order

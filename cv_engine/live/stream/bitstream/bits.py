"""Reading the bits of a NAL unit."""

from __future__ import annotations

# Longest number of zeros before an Exp-Golomb code: all codes of the standards fit into 32 bits.
_MOST_ZEROS = 32
# Bytes of a NAL unit that are read: headers and parameter sets, as far as needed, are shorter.
_MOST_BYTES = 1024


class Bits:
    """The bits of a NAL unit's payload, from the first one.

    Args:
        data: Payload with its emulation prevention bytes (H.264, 7.4.1).
    """

    def __init__(self, data: bytes) -> None:
        payload = data[:_MOST_BYTES].replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)

    def read(self, count: int) -> int:
        """The next bits as an unsigned number.

        Raises:
            ValueError: There are not so many bits.
        """
        if count > self._left:
            raise ValueError("the NAL unit ends early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        """The next unsigned Exp-Golomb code (H.264, 9.1).

        Raises:
            ValueError: There is no such code.
        """
        rest = self._value & (1 << self._left) - 1
        zeros = self._left - rest.bit_length()
        if zeros > _MOST_ZEROS:
            raise ValueError("the NAL unit has an endless number")
        return self.read(2 * zeros + 1) - 1  # as many bits as zeros follow the first one

    def signed(self) -> int:
        """The next signed Exp-Golomb code (H.264, 9.1.1).

        Raises:
            ValueError: There is no such code.
        """
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)

"""The certificates of a timestamp response, in the order that DER demands."""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCE, _SET, _CERTIFICATES, _EXPLICIT = 0x30, 0x31, 0xA0, 0xA0
_LONG = 0x80  # a length of more than one byte; the other bits are the number of bytes
_LONGEST_LENGTH = 4  # bytes


def with_sorted_certificates(response: bytes) -> bytes:
    """Sorts the certificates of a timestamp response as DER sorts the elements of a set.

    OpenSSL and several authorities send them in the order of the chain, which strict readers
    refuse. The set is not part of what is signed (RFC 5652, section 5.4).

    Args:
        response: A ``TimeStampResp`` (RFC 3161, section 2.4.2), DER.

    Returns:
        The response of the same length; unchanged where it has no certificates, or another form.
    """
    try:
        start, stop = _certificates(response)
        found = sorted(
            response[first:last] for _, first, _, last in _elements(response, start, stop)
        )
    except (ValueError, IndexError):
        return response
    return response[:start] + b"".join(found) + response[stop:]


def _certificates(data: bytes) -> tuple[int, int]:
    """Start and stop of the certificates' content.

    Raises:
        ValueError, IndexError: The response has another form, or no certificates.
    """
    start, stop = _only(data, 0, len(data), _SEQUENCE)
    token = list(_elements(data, start, stop))[1]
    kind, _, start, stop = list(_elements(data, token[2], token[3]))[1]
    if kind != _EXPLICIT:
        raise ValueError
    start, stop = _only(data, start, stop, _SEQUENCE)
    for kind, _, inside, end in list(_elements(data, start, stop))[3:]:
        if kind == _CERTIFICATES:
            return inside, end
    raise ValueError


def _only(data: bytes, start: int, stop: int, wanted: int) -> tuple[int, int]:
    kind, _, inside, end = next(_elements(data, start, stop), (0, 0, 0, 0))
    if kind != wanted:
        raise ValueError
    return inside, end


def _elements(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Yields tag, start, start of the content and end of each element between two offsets."""
    while start < stop:
        if start + 2 > stop:
            raise ValueError
        length, inside = data[start + 1], start + 2
        if length & _LONG:
            count = length & ~_LONG
            if not 0 < count <= _LONGEST_LENGTH:
                raise ValueError
            inside += count
            length = int.from_bytes(data[start + 2 : inside])
        end = inside + length
        if end > stop:
            raise ValueError
        yield data[start], start, inside, end
        start = end

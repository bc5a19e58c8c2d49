#!/usr/bin/env python3
"""Writes model.txt: bytes of duet's formats, from docs/wire-format.md and not from the C code.

Standard library only; SipHash is written from its paper (Aumasson and Bernstein, 2012).
Usage: model.py > model.txt; model.py --check compares with the file beside it.
"""

import base64
import io
import pathlib
import struct
import sys

MASK = (1 << 64) - 1


# ---- SipHash-2-4 ----

def rotl(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK


def sip_round(v):
    v0, v1, v2, v3 = v
    v0 = (v0 + v1) & MASK
    v1 = rotl(v1, 13) ^ v0
    v0 = rotl(v0, 32)
    v2 = (v2 + v3) & MASK
    v3 = rotl(v3, 16) ^ v2
    v0 = (v0 + v3) & MASK
    v3 = rotl(v3, 21) ^ v0
    v2 = (v2 + v1) & MASK
    v1 = rotl(v1, 17) ^ v2
    v2 = rotl(v2, 32)
    return [v0, v1, v2, v3]


def siphash(key, data, size):
    """size 8 or 16 bytes, little-endian words as in the reference code."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D,
         k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    if size == 16:
        v[1] ^= 0xEE
    padded = data + bytes((-len(data) - 1) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        (m,) = struct.unpack_from("<Q", padded, at)
        v[3] ^= m
        v = sip_round(sip_round(v))
        v[0] ^= m
    v[2] ^= 0xEE if size == 16 else 0xFF
    out = b""
    for _ in range(size // 8):
        for _ in range(4):
            v = sip_round(v)
        out += struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])
        v[1] ^= 0xDD
    return out


# ---- the formats ----

def derive(master, label, number, size):
    out = b""
    counter = 0
    while len(out) < size:
        text = label.encode() + bytes([number, counter])
        a = siphash(master[:16], text + b"\x00", 16)
        b = siphash(master[16:], text + b"\x01", 16)
        out += bytes(x ^ y for x, y in zip(a, b))
        counter += 1
    return out[:size]


def make_id(kind, instance, boot, partition, sequence):
    return (kind << 108 | instance << 80 | boot << 64 | partition << 48 | sequence).to_bytes(14, "big")


def make_stamp(key, number, topic, flags, ident, window, day):
    head = struct.pack(">BBH", 1, number, flags)
    tail = ident + struct.pack(">IH", window, day)
    partition = bytes(2) + ident[6:8]
    digest = siphash(key, topic.encode() + partition + head + tail, 8)
    return head + digest[3::-1] + tail  # the low 32 bits, big-endian


def link_entry(kind, instance, boot, first, last):
    return struct.pack(">BIH", kind, instance, boot) + first.to_bytes(6, "big") + last.to_bytes(6, "big")


def make_link(key, topic, carrier, entries):
    head, tail = b"\x01\x00", b"".join(link_entry(*e) for e in entries)
    size = struct.pack(">H", len(head) + 8 + len(tail))
    digest = siphash(key, b"duet link\x00" + topic.encode() + size + carrier + head + tail, 8)
    return head + digest[::-1] + tail  # the 64 bits, big-endian


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def fnv(data):
    h = 0x811C9DC5
    for byte in data:
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


def header_list(headers):
    """Each is (name, value, whether it is the property of that name)."""
    out = b"\x01"
    for name, value, plain in headers:
        if plain:
            out += b"\x00" + struct.pack(">I", fnv(name))
        else:
            out += varint(len(name) + 1) + name
            out += b"\x00" if value is None else varint(len(value) + 1) + value
    return out


def with_size(data):
    return b"\xff\xff\xff\xff" if data is None else struct.pack(">I", len(data)) + data


def canonical(number, flags, ident, window, day, timestamp, key, value, headers):
    out = struct.pack(">BBH", 1, number, flags) + ident + struct.pack(">IH", window, day)
    out += b"\x00" if timestamp is None else b"\x01" + struct.pack(">q", timestamp)
    out += with_size(key) + with_size(value) + struct.pack(">I", len(headers))
    for name, header_value in headers:
        out += with_size(name) + with_size(header_value)
    return out


def digest_term(k1, ident, content, times):
    z = int.from_bytes(siphash(k1, ident + content.to_bytes(6, "big"), 16), "little")
    return (z * times) % (1 << 128)


def holes(intervals):
    out, at = b"", 0
    for start, stop in intervals:
        out += varint(start - at) + varint(stop - start)
        at = stop
    return out


def marks(rows):
    return b"\x01" + b"".join(struct.pack(">q", p) + i + struct.pack(">Q", m) for p, i, m in rows)


# ---- what is written ----

def document():
    out = io.StringIO()

    def put(name, value):
        print(name, value.hex() if isinstance(value, bytes) else value, file=out)

    # the reference vectors of SipHash: key 00..0f, input 00, 01, ...
    assert siphash(bytes(range(16)), bytes(range(15)), 8).hex() == "e545be4961ca29a1"
    assert siphash(bytes(range(16)), b"", 16).hex() == "a3817f04ba25a8e66df67214c7550293"

    master, number = bytes(range(32)), 7
    key = derive(master, "duet stamp", number, 16)
    k1 = derive(master, "duet digest", number, 16)
    put("key.stamp", key)
    put("key.digest", k1)
    put("key.content", derive(master, "duet content", number, 192))

    first = make_id(0, 1, 2, 3, 4)
    last = make_id(2, (1 << 28) - 1, 65535, 65535, (1 << 48) - 1)
    kafka = make_id(1, 12, 5, 0, 123456789)
    for name, topic, flags, ident, window, day in [
            ("first", "flights", 0, first, 22616640, 15706),
            ("kafka", "orders.eu-1_v2", 3, kafka, 1, 1),
            ("last", "t", 0xFFFF, last, 0xFFFFFFFF, 65535),
            ("longest", "x" * 249, 4, first, 22616640, 15706)]:
        stamp = make_stamp(key, number, topic, flags, ident, window, day)
        put(f"id.{name}", ident)
        put(f"stamp.{name}", stamp)
        put(f"stamp.{name}.text", base64url(stamp))

    for name, topic, carrier, entries in [
            ("one", "flights", first, [(0, 1, 2, 1, 3)]),
            ("boots", "flights", make_id(0, 1, 3, 3, 0),
             [(3, 1, 2, 0, 99), (4, 7, 65535, 0, 0), (1, 1, 2, 90, 90), (2, 1, 2, 92, 98)]),
            ("most", "x" * 249, last, [(2, (1 << 28) - 1, i, i, (1 << 48) - 1) for i in range(32)])]:
        link = make_link(key, topic, carrier, entries)
        put(f"link.{name}", link)
        put(f"link.{name}.text", base64url(link))

    put("headers.list", base64url(header_list([
        (b"trace-id", b"abc", True), (b"raw", b"\x00\x01\xff", False), (b"gone", None, False),
        (b"", b"", False), (b"WAIT", b"x" * 200, False), (b"city", "Zürich".encode(), True)])))
    put("headers.key", base64url(b"\x00key \xff"))
    put("canonical.full", canonical(number, 0, first, 22616640, 15706, 1357000000000, b"k", b"value",
                                    [(b"a", b"1"), (b"a", None), (b"", b"")]))
    put("canonical.null", canonical(number, 4, first, 22616640, 15706, None, None, None, []))
    for times in (1, 3, -2, 0):
        total = digest_term(k1, first, 0xABCDEF012345, times)
        put(f"digest.{times}", total.to_bytes(16, "big"))
    put("holes", holes([(0, 3), (5, 6), (300, 100000)]))
    put("marks", marks([(9, first, 1357000000000), (10, kafka, 0xFFFFFFFFFFFFFFFF)]))
    return out.getvalue()


if __name__ == "__main__":
    text = document()
    if "--check" in sys.argv:
        same = (pathlib.Path(__file__).parent / "model.txt").read_text() == text
        sys.exit(0 if same else "model.txt differs: run model.py > model.txt")
    sys.stdout.write(text)

#!/usr/bin/env python3
"""Writes the golden tables sketch-WIDTH-PRF.bin and sketch.txt, from docs/sketches.md and not from
the C code: every file is a sketch as bytes, sketch.txt says what peeling one gives.

Standard library only; AES is written from FIPS 197. `sketch.py DIR` writes the files into DIR;
`sketch.py --check` compares them with those beside this script, reads each of them back, and
peels what is to be peeled.
"""
import pathlib
import struct
import sys
import tempfile


import model

M64, M128 = (1 << 64) - 1, (1 << 128) - 1
TABLES = 4
SIPHASH, AES = 1, 2
NAMES = {SIPHASH: 'siphash', AES: 'aes'}
HERE = pathlib.Path(__file__).resolve().parent


# ---- AES-128 ----

def times(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11b if a & 0x80 else 0)
        b >>= 1
    return product


def make_sbox():
    inverse = [0] + [next(b for b in range(1, 256) if times(a, b) == 1) for a in range(1, 256)]
    box = []
    for x in inverse:
        value = 0x63
        for shift in range(5):
            value ^= (x << shift | x >> 8 - shift) & 0xff
        box.append(value)
    return box


SBOX = make_sbox()
DOUBLE = [times(x, 2) for x in range(256)]


def key_schedule(key):
    words = [list(key[i:i + 4]) for i in range(0, 16, 4)]
    constant = 1
    for i in range(4, 44):
        word = words[i - 1]
        if i % 4 == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant = DOUBLE[constant]
        words.append([a ^ b for a, b in zip(words[i - 4], word)])
    return [sum(words[i:i + 4], []) for i in range(0, 44, 4)]


def encrypt(schedule, block):
    state = [a ^ b for a, b in zip(block, schedule[0])]
    for number, key in enumerate(schedule[1:], 1):
        state = [SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if number < 10:
            mixed = []
            for c in range(0, 16, 4):
                a = state[c:c + 4]
                for r in range(4):
                    b, d = a[r], a[(r + 1) % 4]
                    mixed.append(DOUBLE[b] ^ DOUBLE[d] ^ d ^ a[(r + 2) % 4] ^ a[(r + 3) % 4])
            state = mixed
        state = [a ^ b for a, b in zip(state, key)]
    return bytes(state)


# ---- sketches ----

class Key:
    """Of the master key 00 01 02 ... 1f."""

    def __init__(self, number, prf):
        master = bytes(range(32))
        self.number, self.prf = number, prf
        self.sip = model.derive(master, 'duet digest', number, 16)
        self.schedule = key_schedule(model.derive(master, 'duet aes', number, 16))

    def term(self, x, y):
        if self.prf == SIPHASH:
            out = model.siphash(self.sip, x.to_bytes(14, 'big') + y.to_bytes(6, 'big'), 16)
        else:
            first = encrypt(self.schedule, x.to_bytes(16, 'little'))
            second = bytes(a ^ b for a, b in zip(first, y.to_bytes(16, 'little')))
            out = encrypt(self.schedule, second)
        return int.from_bytes(out, 'little')


class Sketch:
    def __init__(self, key, width):
        self.key, self.width = key, width
        self.n = self.bytes = self.d = 0
        self.cells = [[0, 0, 0, 0] for _ in range(TABLES * width)]  # id, content, check, count

    def places(self, z):
        return [j * self.width + (z >> 16 * j) % self.width for j in range(TABLES)]

    def add(self, x, y, size, c):
        z = self.key.term(x, y)
        self.n, self.bytes, self.d = self.n + c, self.bytes + c * size, self.d + c * z
        for place in self.places(z):
            cell = self.cells[place]
            for i, value in enumerate((x, y, z >> 96 | 1, 1)):
                cell[i] += c * value

    def folded(self, width):
        out = Sketch(self.key, width)
        out.n, out.bytes, out.d = self.n, self.bytes, self.d
        for place, cell in enumerate(self.cells):
            to = out.cells[place // self.width * width + place % self.width % width]
            for i in range(4):
                to[i] += cell[i]
        return out

    def encode(self, have=0):
        carried = [[v & m for v, m in zip(self.cells[j * self.width + i],
                                          (M128, M64, 0xffffffff, 0xffffffff))]
                   for j in range(TABLES) for i in range(self.width - have)]
        bits = 0
        for cell in carried:
            bits = bits << 1 | any(cell)
        out = b'DSK1' + struct.pack('>BBBB', self.key.prf, self.key.number,
                                    self.width.bit_length() - 1, have and have.bit_length() - 1)
        out += struct.pack('>QQ', self.n & M64, self.bytes & M64)
        out += (self.d & M128).to_bytes(16, 'big') + bits.to_bytes(len(carried) // 8, 'big')
        for x, y, check, count in carried:
            if x or y or check or count:
                out += x.to_bytes(16, 'big') + struct.pack('>QII', y, check, count)
        return out + struct.pack('>I', crc32c(out))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def signed(value, bits):
    return value - (1 << bits) if value >> bits - 1 else value


def decode(data, key):
    """A whole sketch from its bytes; the cells as signed numbers."""
    assert data[:4] == b'DSK1' and struct.unpack('>I', data[-4:])[0] == crc32c(data[:-4])
    prf, number, width, have = data[4:8]
    assert (prf, number, have) == (key.prf, key.number, 0)
    out = Sketch(key, 1 << width)
    out.n, out.bytes = struct.unpack('>qq', data[8:24])
    out.d = int.from_bytes(data[24:40], 'big')
    cells = TABLES << width
    bits, at = int.from_bytes(data[40:40 + cells // 8], 'big'), 40 + cells // 8
    for place in range(cells):
        if bits >> cells - 1 - place & 1:
            y, check, count = struct.unpack('>QII', data[at + 16:at + 32])
            out.cells[place] = [signed(int.from_bytes(data[at:at + 16], 'big'), 128), signed(y, 64),
                                check, signed(count, 32)]
            at += 32
    assert at == len(data) - 4
    return out


def peel(sketch):
    """{(x, y): net}, or None. Leaves the sketch empty."""
    found, again = {}, True
    while again:
        again = False
        for place, (x, y, check, c) in enumerate(sketch.cells):
            x, y, c = signed(x & M128, 128), signed(y & M64, 64), signed(c & 0xffffffff, 32)
            if c == 0 or abs(c) > 32767 or x % c or y % c:
                continue
            x, y = x // c, y // c
            if not (0 <= x < 1 << 112 and 0 <= y < 1 << 48):
                continue
            z = sketch.key.term(x, y)
            if (c * (z >> 96 | 1) - check) & 0xffffffff or place not in sketch.places(z):
                continue
            found[x, y] = found.get((x, y), 0) + c
            sketch.add(x, y, 0, -c)
            again = True
    rest = any(cell[0] & M128 or cell[1] & M64 or (cell[2] | cell[3]) & 0xffffffff
               for cell in sketch.cells)
    return None if rest or sketch.n or sketch.d & M128 else {p: c for p, c in found.items() if c}


# ---- what is in the files ----

class Random:
    """SplitMix64, as tests/support/random.h."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9e3779b97f4a7c15) & M64
        z = self.state
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & M64
        z = (z ^ z >> 27) * 0x94d049bb133111eb & M64
        return z ^ z >> 31


TIMES = (1, 1, 1, 1, -1, 2, -3, 40, 32767, -32767)


def pairs(seed, count):
    """As tests/unit/test_model_sketch.c has them: x, y, size, times."""
    random = Random(seed)
    for _ in range(count):
        kind, instance, boot = random.next() % 3, random.next() % (1 << 28), random.next() % 65536
        partition, sequence = random.next() % 65536, random.next() % (1 << 48)
        y, size = random.next() % (1 << 48), random.next() % 100000
        x = kind << 108 | instance << 80 | boot << 64 | partition << 48 | sequence
        yield x, y, size, TIMES[random.next() % len(TIMES)]


FILES = [(16, 20), (64, 120), (256, 3000)]  # width and pairs: the last is too full to be peeled


def sums(sketch):
    return struct.pack('>QQ', sketch.n & M64, sketch.bytes & M64) + (sketch.d & M128).to_bytes(16, 'big')


def with_size(data):
    return struct.pack('>I', len(data)) + data


def delta():
    """What test_model_delta.c counts: nine records at 100 to 109 of Kafka's partition 2, two windows,
    the order of keys followed in the first."""
    key = Key(7, AES)
    counted = [pair[:3] for pair in pairs(5, 9)]
    out = b'DDL1' + struct.pack('>BBBIIHBIHQQB', key.prf, key.number, 2, 3, 0, 2, 0, 0, 0, 100, 110, 2)
    for window, part, days in ((22616640, counted[:6], ((15705, 2), (15706, 4))),
                               (22616641, counted[6:], ((15706, 3),))):
        sketch, order = Sketch(key, 16), Sketch(key, 16)
        for number, (x, y, size) in enumerate(part):
            sketch.add(x, y, size, 1)
            if number < 4:
                order.add(x, y ^ 1, 0, 1)
        followed = window == 22616640
        out += struct.pack('>IB', window, 7 if followed else 2) + sums(sketch)
        out += sums(order) if followed else b''
        out += struct.pack('>H', len(days)) + b''.join(struct.pack('>HQ', d, n) for d, n in days)
        out += with_size(sketch.encode()) + (with_size(order.encode()) if followed else b'')
    return out + struct.pack('>I', crc32c(out))


def write(folder):
    lines = []
    (folder / 'sketch-delta.bin').write_bytes(delta())
    for prf in (SIPHASH, AES):
        key = Key(7, prf)
        for width, count in FILES:
            sketch = Sketch(key, width)
            for pair in pairs(width, count):
                sketch.add(*pair)
            name = f'sketch-{width}-{NAMES[prf]}'
            (folder / f'{name}.bin').write_bytes(sketch.encode())
            if width > 16:
                narrow = sketch.folded(16)
                (folder / f'{name}-folded.bin').write_bytes(narrow.encode())
                (folder / f'{name}-refines-16.bin').write_bytes(sketch.encode(16))
        z = key.term(int.from_bytes(model.make_id(0, 1, 2, 3, 4), "big"), 0xABCDEF012345)
        lines.append(f'term.{NAMES[prf]} {z:032x}')
    whole = {}
    for x, y, _, c in pairs(64, 120):
        whole[x, y] = whole.get((x, y), 0) + c
    for (x, y), c in sorted(whole.items()):
        lines.append(f'peeled {x:028x} {y:012x} {c}')
    (folder / 'sketch.txt').write_text('\n'.join(lines) + '\n')


def check():
    for name in sorted(p.name for p in HERE.glob('sketch-*.bin')):
        data = (HERE / name).read_bytes()
        if 'refines' in name or 'delta' in name:
            continue
        key = Key(7, AES if 'aes' in name else SIPHASH)
        sketch = decode(data, key)
        assert sketch.encode() == data, f'{name}: written again it has other bytes'
        if name in ('sketch-64-aes.bin', 'sketch-64-siphash.bin'):
            lines = (HERE / 'sketch.txt').read_text().splitlines()
            listed = [f'peeled {x:028x} {y:012x} {c}' for (x, y), c in sorted(peel(sketch).items())]
            assert listed == [line for line in lines if line.startswith('peeled')], name
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write(folder)
        made = sorted(p.name for p in folder.iterdir())
        assert made == sorted(p.name for p in HERE.glob('sketch[-.]*') if p.suffix != '.py')
        for name in made:
            if (folder / name).read_bytes() != (HERE / name).read_bytes():
                sys.exit(f'{name} differs: run sketch.py on its folder')


if __name__ == '__main__':
    assert crc32c(b'123456789') == 0xe3069283
    assert encrypt(key_schedule(bytes(range(16))), bytes(i << 4 | i for i in range(16))).hex() == \
        '69c4e0d86a7b0430d8cdb78070b4c55a'
    if '--check' in sys.argv:
        check()
    else:
        write(pathlib.Path(sys.argv[1]))

"""The Apache RocketMQ Java client and ours read each other's messages, on a real broker.

Bodies of every byte, compressed ones, batches both ways; keys, tags, properties in several
scripts; delayed, filtered and ordered ones; what one client refuses is a dead letter that the
other reads. The message id that the sender was told is the one that the reader sees.

    interop.py [--rocketmq 5.3.3] [PART...]        parts: exchanges, modes, delayed, tagged
"""
import random
import sys

from peers import Message, interop, need, need_equal, run


def messages(seed):
    """Bodies, keys and properties that clients are known to get wrong."""
    rng = random.Random(seed)
    every_byte = bytes(range(256))
    yield Message(0, b'x')
    yield Message(1, every_byte, 'N14228', 'flights')
    yield Message(2, b'\x00', 'one two three', None, {'origin': 'EWR', 'dest': 'IAH'})
    yield Message(3, 'Grüße 你好 🛫'.encode(), 'schlüssel-键', 'tag',
                  {'größe': 'naïve', '路线': '纽约', 'emoji': '🛫🛬'})
    yield Message(0, every_byte * 400, 'compressible', 'big', {'long': 'v' * 10000})
    yield Message(1, rng.randbytes(60000), 'random', None, {'a': 'b'})
    yield Message(2, b'quotes', 'k', None, {'json': '{"a":"b\\c"}', 'slash': 'a/b\\c',
                                            'line': 'one\ntwo\ttabbed', 'space': ' x '})
    yield Message(3, b'many', 'k', None, {f'property-{n}': str(n) * n for n in range(1, 40)})
    yield Message(3, b'stamp', 'N1', None, {'DUET': 'A' * 38, 'DUET_K': 'bi5hcnk'})
    for n in range(60):
        yield Message(n % 4, f'row {n}'.encode() * (n + 1), f'N{n}', None, {'n': str(n)})


def need_same(sent, got, ids):
    """Order within each queue, and everything that was put in."""
    need_equal(len(got), len(sent), 'messages read')
    for queue in range(4):
        for a, b in zip([m for m in zip(sent, ids) if m[0].queue == queue],
                        [m for m in got if m.queue == queue], strict=True):
            message, told = a
            what = f'queue {queue}, body {message.body[:20]!r}'
            need_equal(b.body == message.body, True, f'{what}: body')
            need_equal((b.keys, b.tags), (message.keys, message.tags), f'{what}: keys and tags')
            for name, value in message.properties.items():
                need_equal(b.properties.get(name), value, f'{what}: property {name}')
            if told:
                need_equal(b.id, told, f'{what}: message id')


WAYS = (  # sender, mode, reader
    ('java', None, 'c'), ('java', 'batch', 'c'), ('java', 'lz4', 'c'), ('java', 'zstd', 'c'),
    ('c', None, 'java'), ('c', None, 'c'), ('c', 'batch', 'java'), ('c', 'zlib', 'java'),
    ('c', 'lz4', 'java'), ('c', 'zstd', 'java'))


def exchange(mark, peers, sender, mode, reader):
    """Everything that messages() has, from one client to the other; how many."""
    seed = f'{sender}-{mode}-{reader}'
    topic, group = f'{mark}-{seed}', f'{mark}-group-{seed}'
    peers.topic(topic, 4)
    sent = list(messages(seed))
    if mode == 'batch' and sender == 'java':
        # one call: the Java client neither splits nor compresses batches
        sent = [m for m in sent if len(m.body) < 5000]
    ids = peers.send(sender, topic, group, sent, *([mode] if mode else []))
    if mode == 'batch' and sender == 'java':
        # the broker puts the batch's own id over those that the sender is told
        ids = [None] * len(sent)
    need_equal(len(ids), len(sent), 'ids')
    got = peers.receive(reader, topic, group + '-reader', len(sent))
    need_same(sent, got, ids)
    return len(got)


def exchanges(s, peers):
    for sender, mode, reader in WAYS:
        count = exchange(s.mark, peers, sender, mode, reader)
        s.say(f'{sender}{f" {mode}" if mode else ""} -> {reader}: {count} messages')


def send_and_read(mark, peers, mode, sent):
    """Our producer in a mode of its own, read by the Java client."""
    topic, group = f'{mark}-{mode}', f'{mark}-group-{mode}'
    peers.topic(topic, 4)
    peers.send('c', topic, group, sent, mode)
    got = peers.receive('java', topic, group + '-reader', len(sent))
    need_equal(sorted(m.body for m in got), sorted(m.body for m in sent), f'{mode}: bodies')
    return topic, got


def modes(s, peers):
    keyed = [Message(0, f'body {n}'.encode(), f'key-{n}-schlüssel-键-🛫') for n in range(50)]
    topic, got = send_and_read(s.mark, peers, 'key', keyed)
    keys = [m.keys for m in got]
    queues = run(peers.java('Interop', 'queues', peers.namesrv, topic, s.mark + '-group-key'),
                 ''.join(k.encode().hex() + '\n' for k in keys))
    need_equal([m.queue for m in got], [int(q) for q in queues], 'queue of each key')
    need(len(set(queues)) > 1, 'all keys have one queue')
    s.say(f'{len(keys)} keys go where the Java selector by hash sends them')
    for mode in ('unordered', 'oneway'):
        send_and_read(s.mark, peers, mode, keyed)
    s.say('unordered and oneway messages have all arrived')


def delayed(s, peers):
    """By level (a second) and by time (two): nothing is there before; ids and contents are kept."""
    sent = [Message(n % 4, f'later {n}'.encode(), f'key-{n}', 'tag', {'n': str(n)}) for n in range(12)]
    for sender, reader in (('java', 'c'), ('c', 'java')):
        for mode, least_ms in (('delay', 900), ('timer', 1000)):
            topic = f'{s.mark}-{mode}-{sender}'
            peers.topic(topic, 4)
            ids = peers.send(sender, topic, f'{s.mark}-group', sent, mode)
            got = peers.receive(reader, topic, f'{s.mark}-readers', len(sent))
            # the timer does not keep the order of those that are due together
            got.sort(key=lambda m: int(m.body.split()[1]))
            need_same(sent, got, ids)
            if mode == 'timer' and peers.is_old:
                continue  # 4.x delivers at once
            need(min(m.late_ms for m in got) >= least_ms, f'{sender} {mode}: too early',
                 [m.late_ms for m in got])
    s.say('delayed by level and by time, both ways')


def tagged(s, peers):
    """Two of these tags have one hash, by which brokers filter: readers compare the text."""
    tags = ['AaAa', 'BBBB', 'flights', 'größe', None]
    sent = [Message(n % 4, f'{n}'.encode(), None, tags[n % 5]) for n in range(40)]
    wanted = sorted(m.body for m in sent if m.tags in ('AaAa', 'größe'))
    for sender, reader in (('java', 'c'), ('c', 'java')):
        topic = f'{s.mark}-tagged-{sender}'
        peers.topic(topic, 4)
        peers.send(sender, topic, f'{s.mark}-group', sent)
        got = peers.receive(reader, topic, f'{s.mark}-{topic}-readers', len(wanted), 'AaAa || größe')
        need_equal(sorted(m.body for m in got), wanted, f'{sender} -> {reader}: tagged')
    s.say('tags are told apart though their hash is the same, both ways')


def main():
    parts = {'exchanges': exchanges, 'modes': modes, 'delayed': delayed, 'tagged': tagged}
    with interop('interop_java') as (s, peers):
        for name in sys.argv[1:] or parts:
            parts[name](s, peers)


if __name__ == '__main__':
    main()

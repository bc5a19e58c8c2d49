"""The Apache RocketMQ Java client and ours read each other's messages, on a real broker.

Bodies of every byte, compressed ones, batches both ways; keys, tags, properties in several
scripts; the message id that the sender was told is the one that the reader sees. The Java part
is built with Maven (java/pom.xml) into the build folder, once per change.
"""
import fcntl
import os
import pathlib
import random
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'scenario'))
from harness import BUILD, Failed, RealBrokers, Scenario, need, need_equal  # noqa: E402

PEER = BUILD / 'tests' / 'rmq_interop'
INTO = BUILD / 'interop'


def build():
    """Offline where the jars are there already; one Maven at a time on this machine."""
    sources = [HERE / 'java' / 'pom.xml', *(HERE / 'java/src/main/java').glob('*.java')]
    done = INTO / 'built'
    if done.exists() and done.stat().st_mtime > max(s.stat().st_mtime for s in sources):
        return
    need(shutil.which('mvn'), 'mvn is not installed: run scripts/bootstrap test')
    INTO.mkdir(parents=True, exist_ok=True)
    cache = pathlib.Path(os.environ.get('DUET_CACHE') or pathlib.Path(
        os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'duet') / 'jars'
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / 'fetch.lock', 'wb') as lock:  # scripts/brokers holds it, too
        fcntl.flock(lock, fcntl.LOCK_EX)
        for more in (['-o'], [], []):
            result = subprocess.run(
                ['mvn', '-q', '-B', *more, f'-Dinto={INTO}', 'compiler:compile',
                 'dependency:copy-dependencies'], cwd=HERE / 'java', capture_output=True,
                text=True, stdin=subprocess.DEVNULL, timeout=300, check=False)
            if result.returncode == 0:
                done.touch()
                return
    raise Failed(f'Maven could not build java/: {result.stdout[-1500:]}')


def java(*words):
    return ['java', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData',
            f'-Duser.home={INTO}', '-cp', f'{INTO / "classes"}:{INTO / "jars"}/*', *words]


def run(command, lines=''):
    result = subprocess.run([str(c) for c in command], input=lines, capture_output=True, text=True,
                            timeout=120, check=False)
    need(result.returncode == 0, f'{command[0]} exited {result.returncode}',
         result.stderr[-1500:])
    return result.stdout.splitlines()


class Message:
    """A line of both programs."""

    def __init__(self, queue, body, keys=None, tags=None, properties=None, message_id='-'):
        self.queue, self.body, self.keys, self.tags = queue, body, keys, tags
        self.properties, self.id = properties or {}, message_id

    def line(self):
        def text(value):
            return '-' if value is None else value.encode().hex()
        fields = ['-', str(self.queue), self.body.hex(), text(self.keys), text(self.tags)]
        fields += [f'{text(n)}={text(v)}' for n, v in self.properties.items()]
        return '\t'.join(fields) + '\n'

    @staticmethod
    def parse(line):
        def text(value):
            return None if value == '-' else bytes.fromhex(value).decode()
        fields = line.split('\t')
        pairs = (field.split('=') for field in fields[5:])
        return Message(int(fields[1]), bytes.fromhex(fields[2]), text(fields[3]), text(fields[4]),
                       {text(n): text(v) for n, v in pairs}, fields[0])


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


def receive(reader, brokers, topic, group, count):
    """The Java client may lose its first connection on a busy machine and give up: once more."""
    words = ['receive', brokers.namesrv, topic, group, str(count)]
    for tries_left in (1, 0):
        try:
            lines = run(java('Interop', *words) if reader == 'java' else [PEER, *words])
            return [Message.parse(line) for line in lines]
        except Failed:
            if reader != 'java' or not tries_left:
                raise
    return []


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


WAYS = (  # sender, what it is told, reader
    ('java', None, 'c'), ('java', 'batch', 'c'), ('java', 'lz4', 'c'), ('java', 'zstd', 'c'),
    ('c', None, 'java'), ('c', None, 'c'), ('c', 'batch', 'java'), ('c', 'zlib', 'java'),
    ('c', 'lz4', 'java'), ('c', 'zstd', 'java'))


def exchange(brokers, mark, sender, mode, reader):
    """Everything that messages() has, from one client to the other; how many."""
    seed = f'{sender}-{mode}-{reader}'
    topic, group = f'{mark}-{seed}', f'{mark}-group-{seed}'
    brokers.run('topic', topic, '4')
    sent = list(messages(seed))
    if mode == 'batch' and sender == 'java':
        # one call: the Java client neither splits nor compresses batches
        sent = [m for m in sent if len(m.body) < 5000]
    send = ['send', brokers.namesrv, topic, group] + ([mode] if mode else [])
    ids = run(java('Interop', *send) if sender == 'java' else [PEER, *send], ''.join(m.line() for m in sent))
    if mode == 'batch' and sender == 'java':
        # the broker puts the batch's own id over those that the sender is told
        ids = [None] * len(sent)
    need_equal(len(ids), len(sent), 'ids')
    got = receive(reader, brokers, topic, group + '-reader', len(sent))
    need_same(sent, got, ids)
    return len(got)


def send_and_read(brokers, mark, mode, sent):
    """Our producer in a mode of its own, read by the Java client."""
    topic, group = f'{mark}-{mode}', f'{mark}-group-{mode}'
    brokers.run('topic', topic, '4')
    run([PEER, 'send', brokers.namesrv, topic, group, mode], ''.join(m.line() for m in sent))
    got = receive('java', brokers, topic, group + '-reader', len(sent))
    need_equal(sorted(m.body for m in got), sorted(m.body for m in sent), f'{mode}: bodies')
    return topic, got


def producer_modes(s, brokers):
    keyed = [Message(0, f'body {n}'.encode(), f'key-{n}-schlüssel-键-🛫') for n in range(50)]
    topic, got = send_and_read(brokers, s.mark, 'key', keyed)
    keys = [m.keys for m in got]
    queues = run(java('Interop', 'queues', brokers.namesrv, topic, s.mark + '-group-key'),
                 ''.join(k.encode().hex() + '\n' for k in keys))
    need_equal([m.queue for m in got], [int(q) for q in queues], 'queue of each key')
    need(len(set(queues)) > 1, 'all keys have one queue')
    s.say(f'{len(keys)} keys go where the Java selector by hash sends them')
    for mode in ('unordered', 'oneway'):
        send_and_read(brokers, s.mark, mode, keyed)
    s.say('unordered and oneway messages have all arrived')


def main():
    build()
    with Scenario('interop_java', argv=['--brokers', 'real'], brokers=False) as s:
        s.brokers = brokers = RealBrokers(s)
        assert isinstance(brokers, RealBrokers)
        for sender, mode, reader in WAYS:
            count = exchange(brokers, s.mark, sender, mode, reader)
            s.say(f'{sender}{f" {mode}" if mode else ""} -> {reader}: {count} messages')
        producer_modes(s, brokers)


if __name__ == '__main__':
    main()

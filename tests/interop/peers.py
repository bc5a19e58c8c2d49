"""The two clients that the interop tests let talk: rmq_interop and rmq_member on librmq, and their
twins on the Apache client (java/), compiled against the jars of the broker's version.

    with interop('interop_java') as (s, brokers):          5.3.3, or --rocketmq VERSION
        ids = send('java', brokers, topic, group, messages)
        got = receive('c', brokers, topic, group, count)
"""
import argparse
import contextlib
import fcntl
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'scenario'))
from harness import BUILD, SOURCE, Failed, RealBrokers, Scenario, need, need_equal  # noqa: E402

PEER = BUILD / 'tests' / 'rmq_interop'
MEMBER = BUILD / 'tests' / 'rmq_member'
CACHE = pathlib.Path(os.environ.get('DUET_CACHE') or pathlib.Path(
    os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'duet') / 'jars'
DEFAULT_VERSION = '5.3.3'


class OwnRocketMQ(RealBrokers):
    """A RocketMQ of one version, for one test; without Kafka."""

    def __init__(self, scenario, version):
        self.owned, self.touched, self.dir = True, False, str(scenario.folder / 'brokers')
        self.run('start', 'namesrv', 'broker', '--rocketmq', version)
        self.namesrv = re.search(r'^NAMESRV=(\S+)$', self.run('env'), re.M).group(1)

    def stop(self):
        self.run('kill', 'namesrv', 'broker')


class Peers:
    """Java's class path, and the brokers."""

    def __init__(self, version):
        self.version, self.is_old = version, version.startswith('4.')
        self.into = BUILD / 'interop' / version
        self.jars = CACHE / f'rocketmq-{version}'
        self.namesrv = None

    def build(self):
        """Once per change; the jars are those of scripts/brokers."""
        sources = sorted((HERE / 'java').glob('*.java'))
        self.into.mkdir(parents=True, exist_ok=True)
        with open(self.into / 'lock', 'wb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = self.into / 'built'
            if done.exists() and done.stat().st_mtime > max(s.stat().st_mtime for s in sources):
                return
            if not self.jars.is_dir():
                run([SOURCE / 'scripts' / 'brokers', 'fetch', '--rocketmq', self.version],
                    timeout=400)
            conf = self.into / 'conf'  # 4.x's mqadmin looks there
            conf.mkdir(exist_ok=True)
            (conf / 'logback_tools.xml').write_text('<configuration/>\n')
            run(['javac', '-proc:none', '-nowarn', '-d', self.into, '-cp', f'{self.jars}/*', *sources])
            done.touch()

    def java(self, *words):
        return ['java', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData',
                f'-Duser.home={self.into}', '-cp', f'{self.into}:{self.jars}/*', *words]

    def mqadmin(self, *words):
        done = subprocess.run(
            self.java(f'-Drocketmq.home.dir={self.into}',
                      'org.apache.rocketmq.tools.command.MQAdminStartup', *words,
                      '-n', self.namesrv),
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
        return done.stdout + done.stderr

    def topic(self, name, queues):
        run([PEER, 'topic', self.namesrv, name, str(queues)])

    def command(self, kind, *words):
        return self.java('Interop', *words) if kind == 'java' else [PEER, *words]

    def send(self, kind, topic, group, messages, *mode):
        """The ids that the sender was told, where the mode has any."""
        return run(self.command(kind, 'send', self.namesrv, topic, group, *mode),
                   ''.join(m.line() for m in messages))

    def receive(self, kind, topic, group, count, *tags):
        """The Java client may lose its first connection on a busy machine and give up: once more."""
        words = self.command(kind, 'receive', self.namesrv, topic, group, str(count), *tags)
        for tries_left in (1, 0):
            try:
                return [Message.parse(line) for line in run(words)]
            except Failed:
                if kind != 'java' or not tries_left:
                    raise
        return []


def run(command, lines='', timeout=120):
    result = subprocess.run([str(c) for c in command], input=lines, capture_output=True, text=True,
                            timeout=timeout, check=False)
    need(result.returncode == 0, f'{" ".join(map(str, command))[-300:]} exited {result.returncode}',
         result.stderr[-1500:])
    return result.stdout.splitlines()


class Message:
    """A line of both programs."""

    def __init__(self, queue, body, keys=None, tags=None, properties=None, message_id='-', late=None):
        self.queue, self.body, self.keys, self.tags = queue, body, keys, tags
        self.properties, self.id, self.late_ms = properties or {}, message_id, late

    def line(self):
        def text(value):
            return '-' if value is None else value.encode().hex()
        fields = ['-', str(self.queue), self.body.hex(), text(self.keys), text(self.tags), '0']
        fields += [f'{text(n)}={text(v)}' for n, v in self.properties.items()]
        return '\t'.join(fields) + '\n'

    @staticmethod
    def parse(line):
        def text(value):
            return None if value == '-' else bytes.fromhex(value).decode()
        fields = line.split('\t')
        pairs = (field.split('=') for field in fields[6:])
        return Message(int(fields[1]), bytes.fromhex(fields[2]), text(fields[3]), text(fields[4]),
                       {text(n): text(v) for n, v in pairs}, fields[0], int(fields[5]))


@contextlib.contextmanager
def interop(name):
    """A scenario with the brokers of the version asked for; sys.argv[1:] is what else was said."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--rocketmq', default=DEFAULT_VERSION)
    asked, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    peers = Peers(asked.rocketmq)
    peers.build()
    with Scenario(name, argv=['--brokers', 'real'], brokers=False) as s:
        s.brokers = (RealBrokers(s) if asked.rocketmq == DEFAULT_VERSION
                     else OwnRocketMQ(s, asked.rocketmq))
        peers.namesrv = s.brokers.namesrv
        yield s, peers


__all__ = ['MEMBER', 'PEER', 'Message', 'Peers', 'interop', 'need', 'need_equal', 'run']

"""What the rows of bench/run run: brokers, rmq-perf, the Java peers. Each run gives one dict of
figures, the JSON object that the program prints."""
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent
ROCKETMQ, KAFKA = '5.3.3', '4.1.2'
JARS = pathlib.Path(os.environ.get('DUET_CACHE') or pathlib.Path(
    os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'duet') / 'jars'
JAVA = ['java', '-XX:+UseSerialGC', '-Xmx512m', '-XX:-UsePerfData']


def run(*command, timeout=900, **options):
    result = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                            check=False, **options)
    if result.returncode != 0:
        sys.exit(f'{" ".join(str(c) for c in command)}: exit {result.returncode}\n'
                 f'{result.stdout[-500:]}\n{result.stderr[-2000:]}')
    return result.stdout


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


class Brokers:
    """Real brokers of our own in `folder`; RocketMQ, and Kafka once somebody asks for it."""

    def __init__(self, folder):
        self.script = [SOURCE / 'scripts' / 'brokers', '--dir', folder / 'brokers']
        self.folder = folder
        self.has_kafka = False
        self.topics = set()
        self.do('start', 'namesrv', 'broker')
        self.namesrv = re.search(r'^NAMESRV=(\S+)$', self.do('env'), re.M)[1]

    def do(self, *words):
        return run(*self.script, *words)

    def kafka(self):
        if not self.has_kafka:
            self.do('start', 'kafka')
            self.has_kafka = True
        return re.search(r'^KAFKA=(\S+)$', self.do('env'), re.M)[1]

    def topic(self, name, queues):
        if name not in self.topics:
            self.do('topic', name, queues)
            self.topics.add(name)
        return name

    def broker_port(self):
        text = (self.folder / 'brokers' / 'broker' / 'broker.properties').read_text()
        return int(re.search(r'^listenPort=(\d+)$', text, re.M)[1])


class Stubs:
    """Both sides in memory, in one process that is not measured; with a topic `dual`."""

    def __init__(self, build, partitions):
        self.process = subprocess.Popen([build / 'bench' / 'stub_brokers', 'dual',
                                         str(partitions)], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.kafka, self.namesrv = (
            self.process.stdout.readline().strip().partition('=')[2] for _ in range(2))

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def dual_plan(world, name, kafka, namesrv, partitions):
    """A configuration of one route `dual`, planned and advanced: both sides are written."""
    folder = world.folder / name
    folder.mkdir()
    config = folder / 'duet.yaml'
    config.write_text(
        f'migration: bench\nkafka: {{bootstrap.servers: "{kafka}"}}\n'
        f'rocketmq: {{namesrv: "{namesrv}"}}\ngates: {{preset: test}}\n'
        f'routes:\n  - topic: dual\n    partitions: {partitions}\n    groups: [none]\n')
    for words in (('plan', 'init'), ('advance',)):
        run(world.build / 'bin' / 'duet', *words, '--config', config)
    return config


class Java:
    """A Java program of bench/, compiled once."""

    def __init__(self, folder, name, *jars):
        self.home, self.classes = folder, folder / 'classes'
        self.path = ':'.join(f'{JARS}/{jar}/*' for jar in jars)
        self.name = name
        run('javac', '-d', self.classes, '-cp', self.path, HERE / f'{name}.java')

    def command(self, *words, options=()):
        return [*JAVA, *options, f'-Duser.home={self.home}', '-cp', f'{self.classes}:{self.path}',
                self.name, *(str(w) for w in words)]


class Peer:
    """bench/RocketPeer.java as a process that stays warm: run() is one measurement."""

    def __init__(self, java, *words, options=()):
        self.process = subprocess.Popen(java.command(*words, options=options), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, count, seconds_max=None):
        """A run with errors (a broker that stalled) measures nothing: again, three times at most."""
        for _ in range(3):
            figures = self.once(count, seconds_max)
            if figures['errors'] == 0:
                return figures
            print(f'  the Java peer had {figures["errors"]} errors: again', file=sys.stderr)
        sys.exit('the Java peer has errors each time')

    def once(self, count, seconds_max):
        self.process.stdin.write(f'{count}\n' if seconds_max is None else
                                 f'{count} {seconds_max}\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        while line and not line.startswith('{'):  # the client logs to stdout
            line = self.process.stdout.readline()
        if not line:
            sys.exit(f'the Java peer ended: exit {self.process.wait()}')
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


class World:
    """Everything that rows share; what is not asked for is not started."""

    def __init__(self, build, folder, options):
        self.build, self.folder, self.options = build, folder, options
        self.parts = {}
        self.peers = []

    def part(self, name, make):
        if name not in self.parts:
            self.parts[name] = make()
        return self.parts[name]

    def brokers(self):
        return self.part('brokers', lambda: Brokers(self.folder))

    def stubs(self, partitions):
        return self.part('stubs', lambda: Stubs(self.build, partitions))

    def count(self, number):
        return max(int(number * self.options.scale), 1000)

    def perf(self, *words):
        """rmq-perf against the broker."""
        return last_json(run(self.build / 'bin' / 'rmq-perf', *words, '--namesrv',
                             self.brokers().namesrv, '--json'))

    def stub(self, *words):
        return last_json(run(self.build / 'bin' / 'rmq-perf', *words, '--topic', 'bench',
                             '--stub', '--json'))

    def peer(self, *words, binary=False):
        """The Java client; the first word says produce or consume."""
        java = self.part('RocketPeer', lambda: Java(self.folder, 'RocketPeer',
                                                    f'rocketmq-{ROCKETMQ}'))
        options = ['-Drocketmq.serialize.type=ROCKETMQ'] if binary else []
        peer = Peer(java, words[0], self.brokers().namesrv, *words[1:], options=options)
        self.peers.append(peer)
        return peer

    def broker_setting(self, key, value):
        java = self.part('RocketPeer', lambda: Java(self.folder, 'RocketPeer',
                                                    f'rocketmq-{ROCKETMQ}'))
        run(*java.command('config', self.brokers().namesrv,
                          f'127.0.0.1:{self.brokers().broker_port()}', key, value))

    def close(self):
        for peer in self.peers:
            peer.process.kill()
            peer.process.wait()
        if 'stubs' in self.parts:
            self.parts['stubs'].close()
        if 'brokers' in self.parts:
            self.brokers().do('kill')

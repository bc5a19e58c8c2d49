"""A migration behind a proxy, producers that remember what they were told, and what came of it.

One World is one repetition of one line: a topic, a control store and state folders of its own, on
brokers (real, or in memory) that repetitions share.
"""
import os
import pathlib
import random
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'scenario'))
import judge  # noqa: E402
from harness import (BUILD, DUET, PROBE, SLOWER, Failed, Migration,  # noqa: E402,F401
                     need, need_equal, wait_for)
from proxy import Proxy  # noqa: E402

FEEDER = str(BUILD / 'tests' / 'feeder')
FAKETIME = next(iter(sorted(pathlib.Path('/usr/lib').glob('*/faketime/libfaketimeMT.so.1'))), None)


class Skip(Exception):
    """What a line needs is not to be had here; the reason."""


class Route(Migration):
    """The configuration twice: for commands straight to the brokers, for producers by the proxy."""

    def __init__(self, world, name, **keys):
        self.world, self.keys = world, keys
        super().__init__(world.scenario, name, [], topic=name, partitions=keys.get('partitions', 4))

    def write_config(self, **_):
        brokers, proxy, keys = self.scenario.brokers, self.world.proxy, self.keys
        state = keys.get('state_dir', './state')
        for path, kafka, namesrv in ((self.config, brokers.kafka, brokers.namesrv),
                                     (self.folder / 'producer.yaml', proxy.kafka, proxy.namesrv)):
            own = {'bootstrap.servers': kafka, **keys.get('kafka', {})}
            path.write_text(
                f'migration: {self.name}\nstore: sqlite:duet.db\nstate_dir: {state}\n'
                f'kafka: {{{", ".join(f"""{k}: "{v}" """ for k, v in own.items())}}}\n'
                f'rocketmq: {{namesrv: "{namesrv}"}}\ngates: {{preset: test}}\n'
                f'producer: {{{keys.get("producer", "")}}}\n'
                f'routes:\n  - topic: {self.topic}\n    partitions: {self.partitions}\n'
                f'    groups: []\n' + ''.join(f'    {k}: {v}\n'
                                              for k, v in keys.get('route', {}).items()))


class Feeder:
    """feeder.c, and its file of results."""

    def __init__(self, world, name, count, first=0, env=None, prepare=None, **options):
        self.world, self.name, self.first, self.count = world, name, first, count
        world.feeds += 1
        self.path = world.route.folder / f'{name}-{world.feeds}.results'
        command = [FEEDER, '--config', world.route.folder / 'producer.yaml', '--name', name,
                   '--results', self.path, '--count', count, '--first', first,
                   '--seed', world.random.randrange(1 << 62)]
        for option, value in options.items():
            command += [f'--{option}'] if value is True else [f'--{option}', value]
        # the runner's clock is not the children's
        self.process = world.scenario.start(f'feeder-{name}', command, env=env, prepare=prepare)
        world.feeders.append(self)

    def read(self):
        try:
            data = self.path.read_bytes()
        except OSError:
            data = b''
        if len(data) < judge.STATS_SIZE:
            return dict.fromkeys(judge.STATS, 0), []
        return judge.read_results(data, self.first)

    @property
    def stats(self):
        return self.read()[0]

    def told(self, *states):
        """How many messages are in one of these states."""
        return sum(result.state in states for result in self.read()[1])

    def wait(self, condition, what, timeout=30):
        def asked():
            if condition(self):
                return True
            need(self.process.alive(), f'{self.name} ended before: {what}',
                 self.process.err()[-500:])
            return False
        return wait_for(asked, what, timeout, every=0.01)

    def wait_told(self, count, timeout=30):
        self.wait(lambda f: f.told('done', 'not_done', 'in_doubt') >= count,
                  f'{count} callbacks', timeout)

    def wait_done(self, count, timeout=30):
        self.wait(lambda f: f.told('done') >= count, f'{count} messages done', timeout)

    def wait_stat(self, name, least, timeout=30):
        self.wait(lambda f: f.stats[name] >= least, f'{name} >= {least}', timeout)

    def end(self, code=0, timeout=90):
        self.process.need_exit(code, timeout)
        return self

    def kill(self):
        self.process.kill9()

    def pause(self):
        """SIGSTOP; returns when all of it has stopped."""
        os.kill(self.process.pid, signal.SIGSTOP)
        wait_for(lambda: pathlib.Path(f'/proc/{self.process.pid}/stat').read_text()
                 .rpartition(')')[2].split()[0] == 'T', 'the process to be stopped', 10)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def latencies_ms(self):
        """From the call to the callback, of what is done, by number."""
        return [(r.ended_us - r.begun_us) / 1000 for r in self.read()[1] if r.state == 'done']


class World:
    def __init__(self, scenario, name, seed, namesrvs=1, step='dual-write', **keys):
        """`keys`: `producer` (the lines within its braces), `route`, `kafka`, `state_dir`."""
        self.scenario, self.random = scenario, random.Random(seed)
        self.kind = scenario.kind
        self.proxy = Proxy(scenario.brokers.kafka, scenario.brokers.namesrv, seed, namesrvs)
        self.feeders, self.feeds = [], 0
        self.unpaused = []
        self.route = Route(self, name, **keys)
        if step:
            self.route.init()
            if step != 'planned':
                self.route.advance_to(step)

    def feeder(self, count, name='p', **options):
        return Feeder(self, name, count, **options)

    @property
    def broker(self):
        return self.proxy.of('broker')

    @property
    def kafka(self):
        return self.proxy.of('kafka')

    ROCKETMQ = ('broker', 'namesrv0')

    def down(self, side):
        return self.proxy.down(*(self.ROCKETMQ if side == 'rocketmq' else ('kafka',)))

    def up(self, side):
        self.proxy.up(*(self.ROCKETMQ if side == 'rocketmq' else ('kafka',)))

    def report(self):
        """The daily report with the ledger."""
        result = self.route.duet('report', '--daily', '--ledger', '--json')
        need(result.code in (0, 1), f'report exited {result.code}', result.err[-500:])
        return result.json

    def log(self, side):
        records = self.route.log(side)
        firsts = {}
        for record in records:
            firsts.setdefault(record['partition'], record['position'])
        need(not any(firsts.values()), f'the log of {side} has lost its beginning (the in-memory '
             'Kafka holds 5 MiB per partition)', firsts)
        return records

    def logs(self):
        """Both, once they have been the same twice: a request may still be under way."""
        before = None
        for _ in range(200):
            now = {side: self.log(side) for side in judge.SIDES}
            if before is not None and all(len(now[s]) == len(before[s]) for s in now):
                return now
            before = now
            time.sleep(0.1 if self.kind == 'memory' else 0.5)
        raise Failed('a log goes on growing')

    def runs(self):
        """What each producer was told; a later run of a name adds to it."""
        runs = {}
        for feeder in self.feeders:
            runs.setdefault(feeder.name, []).extend(feeder.read()[1])
        return runs

    def account(self, timeout=30, cancelled_done=False):
        """The judgement, when logs and ledger have come to rest: reports come within 10 s."""
        last = {}

        def at_rest():
            report = self.report()
            last['account'] = account = judge.judge(self.runs(), self.logs(), report['ledger'],
                                                    report['missing'], cancelled_done=cancelled_done)
            last['report'] = report
            return not account.problems() or time.monotonic() > patience
        patience = time.monotonic() + 12 * SLOWER  # then it is what it is
        wait_for(at_rest, 'logs and ledger to agree', timeout, every=0.2)
        self.last_report = last['report']
        return last['account']

    def end(self):
        for feeder in self.feeders:
            if feeder.process.alive():
                feeder.process.kill9()
        self.proxy.close()

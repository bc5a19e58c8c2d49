"""What every scenario stands on: brokers, one migration, processes, and waiting for conditions.

    with Scenario('whole_move') as s:
        m = s.migration(groups=['carrier-stats'])
        m.duet('plan', 'init')
        consumer = m.consumer('carrier-stats')
        ...

Run as `python3 tests/scenario/NAME.py --brokers memory|real`. Memory: each scenario starts its own
`duet sandbox`. Real: the brokers of the folder in DUET_BROKERS_DIR (tests of one ctest run share
them; names of topics and groups are the scenario's own), or brokers of its own without it.

A scenario waits by asking for state again and again until a deadline, never by sleeping and
hoping. Its processes die with it; brokers in a shared folder are left as they were.
"""
import argparse
import ctypes
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
import expected  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('DUET_BUILD', SOURCE / 'build'))
DUET = str(BUILD / 'bin' / 'duet')
EXAMPLES = BUILD / 'examples'
PROBE = str(BUILD / 'tests' / 'probe')
FLIGHTS = SOURCE / 'examples' / 'data' / 'flights-2013-01.csv'

# Sanitizer builds are several times slower.
SLOWER = float(os.environ.get('DUET_SCENARIO_SLOWER', '1'))


def unhurried(seconds):
    """How long producers should take, so that what happens meanwhile has its time: longer where
    others use the machine, too."""
    busy = os.getloadavg()[0] / (2 * (os.cpu_count() or 1))
    instrumented = 2.5 if SLOWER > 1 else 1.0
    return seconds * max(instrumented, min(3.0, busy))


class Failed(Exception):
    """A scenario's expectation that does not hold."""


def need(condition, text, *details):
    """The scenario's assert."""
    if not condition:
        raise Failed(': '.join([text] + [str(d) for d in details]))


def need_equal(got, wanted, what):
    if got != wanted:
        raise Failed(f'{what}: got {shorten(got)}, need {shorten(wanted)}')


def shorten(value, size=1500):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= size else text[:size] + ' ...'


def wait_for(condition, what, timeout=30, every=0.05):
    """Asks until the answer is true and returns it. `condition` may raise while things start."""
    deadline = time.monotonic() + timeout * SLOWER
    while True:
        problem = None
        try:
            answer = condition()
        except (Failed, OSError, sqlite3.Error) as error:
            answer, problem = None, error
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f'waited {timeout * SLOWER:.0f} s for: {what}'
                         + (f' ({problem})' if problem else ''))
        time.sleep(every)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Process:
    """A program that runs beside the scenario; its output goes to files."""

    def __init__(self, scenario, label, command, prepare=None, env=None):
        self.label, self.command = label, [str(c) for c in command]
        base = scenario.folder / 'log' / f'{len(scenario.processes):03d}-{pathlib.Path(label).name}'
        self.out_path, self.err_path = f'{base}.out', f'{base}.err'

        def before():
            _die_with_parent()
            if prepare:
                prepare()
        with open(self.out_path, 'wb') as out, open(self.err_path, 'wb') as err:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=err, preexec_fn=before, cwd=scenario.folder,
                                          env=dict(os.environ, **(env or {})))
        scenario.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def out(self):
        return pathlib.Path(self.out_path).read_text(errors='replace')

    def err(self):
        return pathlib.Path(self.err_path).read_text(errors='replace')

    def wait(self, timeout=60):
        try:
            return self.popen.wait(timeout * SLOWER)
        except subprocess.TimeoutExpired:
            raise Failed(f'{self.label} did not end within {timeout * SLOWER:.0f} s') from None

    def kill9(self):
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def terminate(self, timeout=20):
        """SIGTERM; its exit code."""
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def last_json(self):
        lines = self.out().strip().splitlines()
        need(lines, f'{self.label} printed nothing', self.err()[-500:])
        return json.loads(lines[-1])

    def need_exit(self, wanted, timeout=60):
        code = self.wait(timeout)
        need(code == wanted, f'{self.label} exited {code}, not {wanted}', self.err()[-800:])
        return self

    def rss(self):
        """Resident bytes, 0 when it has ended."""
        try:
            text = pathlib.Path(f'/proc/{self.pid}/status').read_text()
        except OSError:
            return 0
        found = re.search(r'VmRSS:\s+(\d+) kB', text)
        return int(found[1]) * 1024 if found else 0


class Result:
    """What a command that has ended gave."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise Failed(f'not one JSON object on stdout: {shorten(self.out)} / '
                         f'{shorten(self.err)}') from None

    def need(self, code):
        need(self.code == code, f'exit {self.code}, not {code}', self.out[-800:], self.err[-800:])
        return self


class MemoryBrokers:
    """An embedded pair of brokers in a process of its own."""
    kind = 'memory'

    def __init__(self, scenario, topics):
        self.control = str(scenario.folder / 'sandbox.sock')
        command = [DUET, 'sandbox', '--control', self.control]
        for topic, partitions in topics.items():
            command += ['--topic', f'{topic}:{partitions}']
        self.process = scenario.start('sandbox', command)

        def ready():
            need(self.process.alive(), 'the sandbox ended', self.process.err()[-500:])
            return dict(re.findall(r'^(KAFKA|NAMESRV)=(\S+)$', self.process.out(), re.M))
        found = wait_for(lambda: len(ready()) == 2 and ready(), 'the sandbox', 15)
        self.kafka, self.namesrv = found['KAFKA'], found['NAMESRV']

    def tell(self, line):
        """A line to the control socket; its answer, which must not be an error."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(10 * SLOWER)
            client.connect(self.control)
            client.sendall(line.encode() + b'\n')
            answer = b''
            while not answer.endswith(b'\n'):
                got = client.recv(4096)
                if not got:
                    break
                answer += got
        return answer.decode().strip()

    def order(self, line):
        answer = self.tell(line)
        need(answer.startswith('ok'), f'sandbox: {line}', answer)

    def rocketmq_kill(self):
        self.order('down')

    def rocketmq_start(self):
        self.order('up')

    rocketmq_pause, rocketmq_resume = rocketmq_kill, rocketmq_start

    def stop(self):
        self.process.terminate()


class RealBrokers:
    """A real Kafka and RocketMQ, by scripts/brokers."""
    kind = 'real'

    def __init__(self, scenario):
        shared = os.environ.get('DUET_BROKERS_DIR')
        self.owned = not shared
        self.dir = shared or str(scenario.folder / 'brokers')
        self.touched = False
        self.run('start')
        found = dict(re.findall(r'^(KAFKA|NAMESRV)=(\S+)$', self.run('env'), re.M))
        self.kafka, self.namesrv = found['KAFKA'], found['NAMESRV']

    def run(self, *words):
        done = subprocess.run([SOURCE / 'scripts' / 'brokers', *words, '--dir', self.dir],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=150, check=False)
        need(done.returncode == 0, f'scripts/brokers {" ".join(words)}', done.stderr[-800:])
        return done.stdout

    def rocketmq_kill(self):
        self.touched = True
        self.run('kill', 'broker', 'namesrv')

    def rocketmq_start(self):
        self.run('start', 'namesrv', 'broker')

    def kafka_kill(self):
        self.touched = True
        self.run('kill', 'kafka')

    def kafka_start(self):
        self.run('start', 'kafka')

    def rocketmq_pause(self):
        self.touched = True
        self.run('pause', 'broker', 'namesrv')

    def rocketmq_resume(self):
        self.run('resume', 'namesrv', 'broker')

    def stop(self):
        if self.owned:
            self.run('stop')
        elif self.touched:
            # whatever the scenario did to them, the next one finds them running
            for words in (('resume',), ('start',)):
                try:
                    self.run(*words)
                except Failed as problem:
                    print(f'note: {problem}', file=sys.stderr)


class Migration:
    """One configuration file and what is run with it."""

    def __init__(self, scenario, name, groups, topic='flights', partitions=4, extra='',
                 gates='{preset: test}'):
        brokers = scenario.brokers
        self.scenario, self.name, self.partitions = scenario, name, partitions
        # names of their own on brokers that are shared
        mark = '' if brokers.kind == 'memory' else f'-{scenario.mark}'
        self.topic = topic + mark
        self.groups = [group + mark for group in groups]
        self.folder = scenario.folder / name
        self.folder.mkdir()
        self.config = self.folder / 'duet.yaml'
        self.write_config(extra=extra, gates=gates)

    def write_config(self, extra='', gates='{preset: test}', **changed):
        brokers = self.scenario.brokers
        values = {'migration': self.name, 'store': 'sqlite:duet.db', 'state_dir': './state',
                  'topic': self.topic, 'partitions': self.partitions,
                  'groups': ', '.join(self.groups), 'kafka': brokers.kafka,
                  'namesrv': brokers.namesrv, 'gates': gates, 'extra': extra}
        values.update(changed)
        self.config.write_text(
            'migration: {migration}\nstore: {store}\nstate_dir: {state_dir}\n'
            'day: {{timezone: UTC}}\nkafka: {{bootstrap.servers: "{kafka}"}}\n'
            'rocketmq: {{namesrv: "{namesrv}"}}\ngates: {gates}\n{extra}\n'
            'routes:\n  - topic: {topic}\n    partitions: {partitions}\n'
            '    groups: [{groups}]\n'.format(**values))

    # ---- commands

    def command(self, *words):
        return [DUET, words[0], *[str(w) for w in words[1:]], '--config', str(self.config)]

    def duet(self, *words, timeout=60):
        return self.scenario.run(self.command(*words), timeout)

    def json(self, *words, code=0, timeout=60):
        return self.duet(*words, '--json', timeout=timeout).need(code).json

    def init(self):
        self.duet('plan', 'init').need(0)

    def advance_to(self, step):
        """As many plain steps forward as it takes."""
        for _ in range(5):
            if self.step() == step:
                return
            self.duet('advance').need(0)
        need_equal(self.step(), step, 'step')

    def status(self):
        return self.json('status')

    def route(self):
        return next(r for r in self.status()['routes'] if r['topic'] == self.topic)

    def step(self):
        return self.route()['step']

    def group(self, group):
        return next(g for g in self.route()['groups'] if g['group'] == group)

    def ledger(self):
        return self.status()['ledger']

    def report(self, *words):
        result = self.duet('report', '--daily', '--json', *words)
        need(result.code in (0, 1), f'report exited {result.code}', result.err[-500:])
        need((result.code == 0) == result.json['equal'], 'exit code against "equal"', result.code)
        return result.json

    # ---- processes

    def sink(self, group):
        return self.folder / f'sink-{group}'

    def consumer(self, group, name=None, sink=None, until_idle=None, **options):
        command = [EXAMPLES / 'flights_consumer', '--config', self.config, '--group', group,
                   '--name', name or f'c-{group}', '--sink', f'sqlite:{sink or self.sink(group)}']
        if until_idle:
            command += ['--until-idle', until_idle]
        return self.scenario.start(f'consumer-{group}', command, **options)

    def producer(self, name, rate=None, shard=None, resume=False, source=None, **options):
        command = [EXAMPLES / 'flights_producer', '--config', self.config, '--name', name,
                   '--input', source or self.scenario.csv, '--topic', self.topic]
        if rate:
            command += ['--rate', rate]
        if shard:
            command += ['--shard', shard]
        if resume:
            command += ['--resume']
        return self.scenario.start(f'producer-{name}', command, **options)

    def next_row(self, name):
        """How far the producer's acknowledged rows reach, from the file that --resume reads."""
        files = list((self.folder / 'state').glob(f'**/{name}/**/app-flights.json'))
        files += list((self.folder / 'state').glob(f'**/*{name}*/app-flights.json'))
        return json.loads(files[0].read_text())['next_row'] if files else 0

    # ---- what came of it

    def select(self, group, role, sql):
        path = self.sink(group) / f'{role}.db'
        need(path.exists(), f'{path} is not there')
        # not immutable: others write, and their WAL must be read
        database = sqlite3.connect(f'file:{path}?mode=ro', uri=True, timeout=10)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def processed(self, group, role='live'):
        """Rows whose effects are committed."""
        try:
            return self.select(group, role, 'SELECT ifnull(sum(flights), 0) FROM carrier_day')[0][0]
        except (Failed, sqlite3.OperationalError):
            return 0

    def tables(self, group, role):
        return {
            'carrier_day': self.select(group, role, 'SELECT carrier, day, flights, cancelled,'
                                       ' dep_delay_min_sum FROM carrier_day ORDER BY 1, 2'),
            'last_seen': self.select(group, role, 'SELECT tailnum, origin, dest, time_hour,'
                                     ' legs, chained FROM last_seen ORDER BY 1'),
        }

    def need_tables(self, group, role, wanted):
        """Row for row what independent SQL gives."""
        got = self.tables(group, role)
        for table, rows in wanted.tables().items():
            if got[table] == rows:
                continue
            extra = sorted(set(got[table]) - set(rows), key=repr)[:3]
            lacking = sorted(set(rows) - set(got[table]), key=repr)[:3]
            raise Failed(f'{group} {role} {table}: {len(got[table])} rows, need {len(rows)}; '
                         f'not expected: {extra}; expected: {lacking}')

    def wait_processed(self, rows, roles=('live', 'shadow'), groups=None, timeout=60):
        for group in groups or self.groups:
            for role in roles:
                wait_for(lambda g=group, r=role: self.processed(g, r) >= rows,
                         f'{rows} rows in {group} {role} (it has '
                         f'{self.processed(group, role)})', timeout)

    def wait_part(self, part, producers, group=None, timeout=90):
        """Until that part of the rows has had its live effects, with the producers still
        running."""
        group, total = group or self.groups[0], self.scenario.expected.rows
        wait_for(lambda: self.processed(group) >= total * part, f'{part:.0%} of the rows live',
                 timeout)
        need(any(p.alive() for p in producers), 'the producers ended too early')
        self.scenario.say(f'{part:.0%}')

    def wait_report_equal(self, timeout=30):
        """Every count is in the report within 10 s of the event."""
        last = {}

        def equal():
            last['report'] = self.report()
            return last['report']['equal']
        try:
            wait_for(equal, 'an equal report', timeout, every=0.3)
        except Failed as problem:
            raise Failed(f'{problem}; {shorten(json.dumps(last.get("report")), 4000)}') from None
        return last['report']

    def need_report(self, report, wanted, resent=False):
        """Each number of an equal report against the file's own days. `resent`: RocketMQ may
        hold further copies, of requests that it never answered but carried out."""
        sides = ('kafka', 'rocketmq')
        need_equal(report['migration'], self.name, 'migration')
        found = {}
        for row in report['days']:
            need_equal(row['topic'], self.topic, 'topic')
            found[row['day'], row['group'], row['side']] = row
        need_equal(sorted({key[0] for key in found}), sorted(wanted.days), 'days')
        need_equal([row['day'] for row in report['days']],
                   sorted(row['day'] for row in report['days']), 'days ascend')
        for day, rows in wanted.days.items():
            copies = {}
            for side in sides:
                row = found[day, None, side]
                copies[side] = row['duplicates'] if resent and side == 'rocketmq' else 0
                for field, number in (('issued', rows), ('stored', rows),
                                      ('duplicates', copies[side]), ('unresolved', 0)):
                    need_equal(row[field], number, f'{day} {side} {field}')
            for group in self.groups:
                both = [found[day, group, side] for side in sides]
                for row, side in zip(both, sides, strict=True):
                    need_equal((row['read'], row['failed'], row['duplicates']),
                               (rows + copies[side], 0, copies[side]), f'{day} {group} {side}')
                for role in ('live', 'shadow'):
                    need_equal(sum(row[role] for row in both), rows, f'{day} {group} {role}')

    def log(self, side):
        """Every record of a side's log."""
        done = self.scenario.run([PROBE, 'log', '--config', self.config, '--side', side,
                                  '--topic', self.topic], 60).need(0)
        return [json.loads(line) for line in done.out.split('\n') if line]

    def settled_log(self, side):
        """The same once it grows no more: RocketMQ shows a message some time after it has
        acknowledged it."""
        records = None
        for _ in range(60):
            before, records = records, self.log(side)
            if before is not None and len(before) == len(records):
                return records
            time.sleep(1)
        raise Failed(f'the log of {side} goes on growing')

    def repair(self, side):
        """Writes what only the other side has, under the stamps it has there; how many."""
        done = self.scenario.run([PROBE, 'repair', '--config', self.config, '--side', side,
                                  '--topic', self.topic], 120).need(0)
        return json.loads(done.out)['repaired']

    def put(self, side, partition, value, key=None, stamp=None):
        brokers = self.scenario.brokers
        command = [PROBE, 'put', '--topic', self.topic, '--partition', partition, '--value', value]
        command += ['--kafka', brokers.kafka] if side == 'kafka' else ['--rocketmq',
                                                                       brokers.namesrv]
        command += ['--key', key] if key else []
        command += ['--stamp', stamp] if stamp else []
        self.scenario.run(command, 30).need(0)


class Scenario:
    """Brokers, a folder and processes; cleans up, and on failure says what it saw."""

    def __init__(self, name, topics=None, argv=None, brokers=True):
        parser = argparse.ArgumentParser()
        parser.add_argument('--brokers', choices=('memory', 'real'), default='memory')
        parser.add_argument('--keep', action='store_true', help='keep the folder')
        arguments, self.rest = parser.parse_known_args(argv)
        self.name, self.keep, self.kind = name, arguments.keep, arguments.brokers
        self.topics = topics or {'flights': 4}
        self.mark = f'{name.replace("_", "-")}-{os.getpid()}-{random.randrange(1 << 24):06x}'
        self.processes, self.migrations = [], []
        self.brokers, self.wants_brokers = None, brokers
        self.folder = self.csv = self.expected = None

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f'duet-{self.name}-'))
        (self.folder / 'log').mkdir()
        rows = int(os.environ.get('DUET_SCENARIO_ROWS', '0'))
        self.csv = FLIGHTS
        if rows:
            self.csv = self.folder / 'flights.csv'
            with open(FLIGHTS, 'rb') as source, open(self.csv, 'wb') as target:
                for _ in range(rows + 1):
                    target.write(source.readline())
        self.expected = expected.from_csv(self.csv)
        self.begun = time.monotonic()
        try:
            if self.wants_brokers:
                self.brokers = (MemoryBrokers(self, self.topics) if self.kind == 'memory'
                                else RealBrokers(self))
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, problem, trace):
        if problem is not None and not isinstance(problem, SystemExit):
            self.explain(kind, problem, trace)
            self.keep = self.keep or bool(os.environ.get('DUET_KEEP'))
        for process in self.processes:
            if process.alive() and process is not getattr(self.brokers, 'process', None):
                process.kill9()
        if self.brokers:
            try:
                self.brokers.stop()
            except Exception as error:  # the scenario's own verdict comes first
                print(f'note: {error}', file=sys.stderr)
        for process in self.processes:
            if process.alive():
                process.kill9()
        if self.keep:
            print(f'kept: {self.folder}', file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        if problem is None:
            print(f'{self.name} ({self.kind}): passed in {time.monotonic() - self.begun:.1f} s')
        elif isinstance(problem, (Failed, KeyboardInterrupt)):
            sys.exit(1)
        return False

    def explain(self, kind, problem, trace):
        print(f'{self.name} ({self.kind}): FAILED after {time.monotonic() - self.begun:.1f} s:'
              f' {kind.__name__}: {problem}', file=sys.stderr)
        traceback.print_tb(trace, file=sys.stderr)
        for migration in self.migrations:
            try:
                result = migration.duet('status', '--json', timeout=15)
                print(f'status: {shorten(result.out or result.err, 4000)}', file=sys.stderr)
            except Exception as error:
                print(f'status: {error}', file=sys.stderr)
        for process in self.processes:
            text = process.err().strip().splitlines()[-12:]
            state = 'running' if process.alive() else f'exit {process.popen.returncode}'
            print(f'--- {process.label} ({state}) {" ".join(process.command)}', file=sys.stderr)
            print('\n'.join(text), file=sys.stderr)

    def say(self, text):
        print(f'[{time.monotonic() - self.begun:6.1f}] {text}', flush=True)

    def start(self, label, command, **options):
        return Process(self, label, command, **options)

    def run(self, command, timeout=60, env=None):
        """Runs to its end; its output is kept in the result only."""
        try:
            done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors='replace', check=False,
                                  timeout=timeout * SLOWER, preexec_fn=_die_with_parent,
                                  cwd=self.folder, env=dict(os.environ, **(env or {})))
        except subprocess.TimeoutExpired:
            raise Failed(f'{" ".join(str(c) for c in command)} did not end within '
                         f'{timeout * SLOWER:.0f} s') from None
        return Result(done.returncode, done.stdout, done.stderr)

    def migration(self, groups, name='flights', **options):
        migration = Migration(self, name, groups, **options)
        self.migrations.append(migration)
        return migration


def limit_file_size(size):
    """For Process(prepare=...): writes beyond `size` bytes fail, as on a full disk."""
    def prepare():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return prepare

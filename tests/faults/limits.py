"""Lines about what does not fit, in size, in kind, on a disk or in the plan; and about clocks."""
import errno
import os
import pathlib
import shutil
import subprocess
import time

from lines import IN_FLIGHT_MAX, Outcome, line
from world import FAKETIME, SLOWER, Skip, World, need, need_equal, wait_for

KAFKA_MAX = 1_000_000       # librdkafka's own limit, record and all
ROCKETMQ_MAX = 4 << 20


class SmallDisk:
    """A tmpfs of so many MiB, mounted for the block; filled and emptied at will."""

    def __init__(self, folder, mib):
        self.path, self.mib = pathlib.Path(folder), mib
        self.ballast = self.path / 'ballast'

    def __enter__(self):
        self.path.mkdir()
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={self.mib}m', 'duet-faults',
                               self.path], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skip(f'mounting a small tmpfs is refused: {done.stderr.strip()}')
        return self

    def fill(self):
        """Until nothing more fits; how often the kernel said ENOSPC."""
        with open(self.ballast, 'ab', buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        return 1

    def is_full(self):
        return os.statvfs(self.path).f_bavail == 0

    def free(self):
        self.ballast.unlink()

    def __exit__(self, *problem):
        subprocess.run(['umount', '-l', self.path], check=False)
        shutil.rmtree(self.path, ignore_errors=True)


@line(8, 'clock jumps', 'R3 R8', 'limits')
def clock_jumps(run):
    """The producer's wall clock jumps ten minutes to and fro, and its primary falls silent: no
    deadline is shorter or longer for it, and windows never go back."""
    if FAKETIME is None:
        raise Skip('libfaketime is not installed: run scripts/bootstrap test')
    if SLOWER > 1:
        raise Skip('libfaketime and sanitizers do not go together')
    world = World(run.scenario, run.name, run.seed)
    clock = world.route.folder / 'clock'
    clock.write_text('+0\n')
    feeder = world.feeder(1200, rate=300, timeout=2000, env={
        'LD_PRELOAD': str(FAKETIME), 'FAKETIME_TIMESTAMP_FILE': str(clock),
        'FAKETIME_NO_CACHE': '1', 'FAKETIME_DONT_FAKE_MONOTONIC': '1'})
    steps = 0
    for done in (150, 300, 450, 600):
        feeder.wait_done(done)
        aside = clock.with_suffix('.new')
        aside.write_text(f'{world.random.choice((-600, 600)) if steps % 2 == 0 else 0:+d}\n')
        os.replace(aside, clock)
        steps += 1
        feeder.wait_stat('clock_steps', steps)
        if steps == 3:
            world.kafka.stalled = {'to_broker'}
            feeder.wait(lambda f: f.told('in_doubt') > 50, 'deadlines to pass')
            world.kafka.stalled = set()
    feeder.end()
    late = [(r.ended_us - r.begun_us) / 1000 for r in feeder.read()[1] if r.state == 'in_doubt']
    need(min(late) > 1800, 'the shortest deadline in ms', min(late))
    middle = sorted(late)[len(late) // 2]
    need(middle < 5000 * SLOWER, 'deadlines in ms', middle)
    windows = {}
    for record in sorted(world.log('kafka'), key=lambda r: r['id']):
        lane = record['id'][:16]
        need(windows.get(lane, 0) <= record['window'], 'a window went back', record)
        windows[lane] = record['window']
    return Outcome(world, {'clock_steps': feeder.stats['clock_steps'], 'deadlines': len(late)},
                   world.account(), copies_max=IN_FLIGHT_MAX,
                   figures={'deadline_ms': round(middle)})


@line(9, 'disk full (journal; broker)', 'R1 R4 R9', 'limits')
def full_disk(run):
    """RocketMQ is away and the disk of the journal is full: copies are dropped and listed, and the
    application sees nothing. With space and RocketMQ back all goes on; then RocketMQ's own disk
    is full for a while."""
    with SmallDisk(run.scenario.folder / f'disk-{run.name}', 28) as disk:
        world = World(run.scenario, run.name, run.seed, state_dir=str(disk.path),
                      producer='memory.max: 131072, journal.max: 1GiB')
        feeder = world.feeder(9000, rate=3000, size=1700, keys=400)
        feeder.wait_done(500)
        world.down('rocketmq')
        feeder.wait_stat('spilled', 200)
        refusals = disk.fill()
        feeder.wait(lambda f: f.stats['dropped'] > 100, 'copies to be dropped')
        full = disk.is_full()
        disk.free()
        dropped, spilled, since = feeder.stats['dropped'], feeder.stats['spilled'], time.monotonic()
        feeder.wait(lambda f: f.stats['spilled'] > spilled, 'the journal to go on')
        resumed = time.monotonic() - since
        world.up('rocketmq')
        if world.kind == 'memory':
            run.scenario.brokers.order('error 14 20')
        feeder.end()
        need(full, 'the disk was full')
        need_equal((feeder.stats['waits'], feeder.told('done')), (0, 9000), 'waits, done')
        need(resumed < 5 * SLOWER, 'seconds to resume', resumed)
        account = world.account()
        need_equal(account.missing['rocketmq'], feeder.stats['dropped'], 'missing and dropped')
        return Outcome(world, {'enospc': refusals, 'dropped': dropped}, account,
                       copies_max=IN_FLIGHT_MAX, figures={'resumed_ms': round(resumed * 1000)})


@line(11, 'poison message', 'R1 R8', 'limits')
def poison(run):
    """Keys, values and headers of every kind; some have more headers than RocketMQ can hold."""
    world = World(run.scenario, run.name, run.seed)
    feeder = world.feeder(3000, poison=True, threads=2)
    feeder.end()
    account = world.account()
    need_equal(account.missing['rocketmq'], feeder.stats['refused'], 'missing and refused')
    return Outcome(world, {'refused': feeder.stats['refused'], 'poisoned': 3000}, account)


@line(12, 'size limits differ', 'R1 R10', 'limits')
def sizes(run):
    """Values around the limits of either side: on both, or on the one that takes it and listed, or
    an error and on none."""
    world = World(run.scenario, run.name, run.seed)
    around = [limit + d for limit in (KAFKA_MAX, ROCKETMQ_MAX) for d in (-200, -100, -1, 0, 1)]
    around.append(world.random.randint(KAFKA_MAX - 300, KAFKA_MAX))
    feeder = world.feeder(len(around), sizes=','.join(map(str, around)))
    feeder.end()
    refused = feeder.told('unaccepted', 'not_done')
    need(feeder.told('done') > 0, 'some are taken')
    return Outcome(world, {'refused': refused, 'at_a_limit': len(around)}, world.account())


@line(22, 'configuration drift', 'R6 R10', 'limits')
def drift(run):
    """A plan with other partitions than the topic has is refused before the first send. Later
    RocketMQ says for a while that there is no such topic."""
    scenario = run.scenario
    topic = f'{run.name}-there'
    if scenario.kind == 'real':
        topic += f'-{scenario.mark}'  # as its migration will call it
        scenario.brokers.run('topic', topic, '3')
    else:
        World(scenario, topic, run.seed).end()  # its topic has four, on both sides
    other = World(scenario, f'{run.name}-there' if scenario.kind == 'real' else topic + '-again',
                  run.seed, step=None, partitions=5)
    if scenario.kind == 'memory':
        text = other.route.config.read_text()
        other.route.config.write_text(text.replace(f'topic: {topic}-again', f'topic: {topic}'))
    refused = other.route.duet('plan', 'init')
    need_equal(refused.code, 2, 'exit of plan init')
    need(topic in refused.err and '5' in refused.err, 'its reason', refused.err)
    other.end()

    world = World(scenario, run.name, run.seed)
    world.broker.reject_code = 17  # TOPIC_NOT_EXIST
    world.broker.reject = 0.3
    feeder = world.feeder(1500, rate=1000)
    feeder.wait_done(1000)
    world.broker.reject = 0.0
    feeder.end()
    need_equal(feeder.told('done'), 1500, 'done')
    return Outcome(world, {'plans_refused': 1, 'rejected': world.broker.count['rejected']},
                   world.account(), copies_max=0)


@line(23, 'offset reset, group re-created, retention passed', 'R1 R3', 'limits', brokers=('memory',))
def forgetful_primary(run):
    """The primary forgets its newest messages while the producer is dead that had not yet told the
    other side of them: its next start trusts no position, and the copies that are gone are named."""
    world = World(run.scenario, run.name, run.seed, step='switched',
                  producer='journal.volatile: true', route={'journal': 'intent', 'fsync': 'interval'})
    feeder = world.feeder(3000, rate=1500)
    feeder.wait_done(500)
    world.down('kafka')
    feeder.wait_done(500 + world.random.randint(1, 1000))
    feeder.kill()
    before = len(world.log('rocketmq'))
    run.scenario.brokers.order('restart lose')
    lost = before - len(world.log('rocketmq'))
    world.up('kafka')
    world.feeder(50, first=100000).end()
    return Outcome(world, {'messages_forgotten': lost, 'kills': 1}, world.account(cancelled_done=True),
                   copies_max=IN_FLIGHT_MAX)


@line(14, 'reorder between threads', 'R8', 'limits')
def threads(run):
    """Eight threads, an outage that fills the journal, cut connections: each key keeps its order on
    both sides."""
    world = World(run.scenario, run.name, run.seed, producer='memory.max: 131072',
                  kafka={'reconnect.backoff.max.ms': 100})
    feeder = world.feeder(8000, threads=8, rate=2500)
    feeder.wait_done(1000)
    world.down('rocketmq')
    feeder.wait_stat('spilled', 500)
    world.up('rocketmq')
    cuts = 0
    while not feeder.stats['sent']:
        cuts += world.proxy.cut('kafka', 'broker')
        done = feeder.told('done')
        feeder.wait(lambda f, d=done: f.told('done') > d + 900 or f.stats['sent'], 'more')
    feeder.end()
    return Outcome(world, {'spilled': feeder.stats['spilled'], 'connections_cut': cuts},
                   world.account(), copies_max=IN_FLIGHT_MAX * (cuts + 1))

"""Lines in which the producer's process or its journal comes to grief."""
import resource
import time

from lines import IN_FLIGHT_MAX, Outcome, line
from world import World, need, need_equal, wait_for

# a folder in memory will do: nothing here loses its host
INTENT = {'producer': 'journal.volatile: true', 'route': {'journal': 'intent', 'fsync': 'interval'}}
SMALL = {'producer': 'memory.max: 131072'}
SEGMENT_HEADER = 64


def resolve(world, name='p', first=100000, count=20):
    """The same producer starts again, and goes on."""
    world.feeder(count, name=name, first=first).end()


@line(3, 'crash between the two sends', 'R1 R2 R8 R10', 'crash')
def killed(run):
    """SIGKILL at any moment, three times, with `intent`: what was done is on both sides, and so is
    whatever else the primary has."""
    world = World(run.scenario, run.name, run.seed, **INTENT)
    under_way = 0
    for kill in range(3):
        feeder = world.feeder(4000, first=kill * 4000)
        feeder.wait_done(world.random.randint(1, 1500))
        feeder.kill()
        under_way += feeder.told('accepted', 'calling')
    resolve(world)
    account = world.account()
    need_equal(account.missing, {'kafka': 0, 'rocketmq': 0}, 'copies on one side alone')
    return Outcome(world, {'kills': 3, 'under_way': under_way}, account,
                   copies_max=3 * IN_FLIGHT_MAX)


def used_part(data):
    """Where the records of a preallocated segment end."""
    return len(data.rstrip(b'\0'))


def damage(world, folder):
    """Flips, blanks or cuts off bytes of a segment with records; how many."""
    segments = [s for s in sorted(folder.glob('*.seg'))
                if used_part(s.read_bytes()) > SEGMENT_HEADER + 200]
    need(segments, 'a segment with records')
    path = world.random.choice(segments)
    data = bytearray(path.read_bytes())
    end = used_part(data)
    at = world.random.randrange(SEGMENT_HEADER, end - 1)
    kind = world.random.choice(('flip', 'blank', 'cut'))
    if kind == 'flip':
        size = 1
        data[at] ^= 1 << world.random.randrange(8)
    elif kind == 'blank':
        size = min(world.random.randint(1, 4096), end - at)
        data[at:at + size] = bytes(size)
    else:
        size = end - at
        data[at:] = bytes(len(data) - at)
    path.write_bytes(data)
    return size


@line(4, 'torn or corrupted journal', 'R1 R3', 'crash')
def damaged_journal(run):
    """A producer that owes copies is killed, and its journal loses or alters bytes: no wrong record
    is sent, and what the other side lacks is named."""
    world = World(run.scenario, run.name, run.seed, **SMALL)
    world.down('rocketmq')
    feeder = world.feeder(3000, rate=3000)
    feeder.wait_stat('spilled', 1500)
    feeder.kill()
    folder = world.route.folder / 'state' / 'p' / 'journal'
    size = damage(world, folder)
    listed = world.route.duet('journal', 'list', folder, '--json')
    need(listed.code in (0, 1), 'duet journal list', listed.code, listed.err[-300:])
    owed = listed.json['messages']
    world.up('rocketmq')
    resolve(world)
    account = world.account()
    return Outcome(world, {'bytes_damaged': size, 'messages_left_in_journal': owed}, account,
                   copies_max=IN_FLIGHT_MAX)


@line(25, 'paused process, then wakes', 'R5 R8 R10', 'crash')
def paused(run):
    """SIGSTOP for longer than every deadline; meanwhile its connections end, and another process
    asks for its name."""
    world = World(run.scenario, run.name, run.seed, kafka={'reconnect.backoff.max.ms': 200})
    feeder = world.feeder(1500, rate=500, timeout=1500)
    feeder.wait_done(400)
    feeder.pause()
    since = time.monotonic()
    cut = world.down('kafka') + world.down('rocketmq')
    second = world.feeder(10, first=200000)
    second.process.need_exit(3)
    need('process' in second.process.err() or 'held' in second.process.err(), 'why',
         second.process.err())
    while time.monotonic() - since < 2.5:
        time.sleep(0.05)  # the pause itself
    world.up('kafka')
    world.up('rocketmq')
    slept = time.monotonic() - since
    feeder.resume()
    feeder.end()
    return Outcome(world, {'stopped_ms': int(slept * 1000), 'connections_cut': cut,
                           'names_refused': 1}, world.account(), copies_max=IN_FLIGHT_MAX)


@line(26, 'memory pressure, allocation failure', 'R1 R9 R10', 'crash')
def no_memory(run):
    """The process may not have more address space, while it holds what a dead side does not take:
    it says so, or ends. What it called done is on both sides after the next start."""
    world = World(run.scenario, run.name, run.seed, route=INTENT['route'],
                  producer='memory.max: 256MiB, journal.volatile: true')
    feeder = world.feeder(4000, size=4000, keys=400, rate=4000, timeout=8000, flush=30000,
                          env={'MALLOC_ARENA_MAX': '1'})
    feeder.wait_done(100)
    world.down('rocketmq')
    world.down('kafka')
    status = dict(line.split(':', 1) for line in open(f'/proc/{feeder.process.pid}/status'))
    most = int(status['VmSize'].split()[0]) * 1024 + (world.random.randint(1, 4) << 20)
    resource.prlimit(feeder.process.pid, resource.RLIMIT_AS, (most, -1))

    def refused():
        return sum(r.state == 'unaccepted' and r.code == NO_MEMORY for r in feeder.read()[1])
    wait_for(lambda: refused() > 30 or not feeder.process.alive() or feeder.stats['sent'],
             'memory to run out', 20)
    if feeder.process.alive():  # others have given theirs back
        resource.prlimit(feeder.process.pid, resource.RLIMIT_AS, (-1, -1))
    world.up('rocketmq')
    world.up('kafka')
    code = feeder.process.wait(60)
    need(code in (0, 1, -6), 'how it ended', code, feeder.process.err()[-500:])
    if code != 0:
        resolve(world)
    number = refused() + (code == -6)
    account = world.account()
    return Outcome(world, {'refused_for_memory': number}, account,
                   copies_max=IN_FLIGHT_MAX, figures={'aborted': int(code == -6)})


NO_MEMORY = 2  # DT_ENOMEM of rmq/status.h

"""Lines in which the network between producer and brokers misbehaves."""
import json
import struct
import time

from lines import IN_FLIGHT_MAX, Outcome, line
from world import World, need, need_equal

# librdkafka's own patience is a minute
FAST = {'socket.timeout.ms': 2000, 'reconnect.backoff.max.ms': 200}


@line(1, 'acknowledgement lost after the store', 'R1 R2 R10', 'network')
def lost_acknowledgements(run):
    """Answers of sends end after their n-th byte, at either side, again and again."""
    world = World(run.scenario, run.name, run.seed, kafka=FAST)
    cuts = {'kafka': 4, 'broker': 6}
    for role in cuts:
        left = [cuts[role]]

        def cut(size, left=left):
            if left[0] == 0 or world.random.random() < 0.5:
                return None
            left[0] -= 1
            return world.random.randrange(size)
        world.proxy.of(role).cut_answer = cut
    feeder = world.feeder(1500, rate=1500)
    feeder.end()
    account = world.account()
    evidence = {f'{role}_bytes_cut': world.proxy.of(role).count['bytes_cut'] for role in cuts}
    struck = world.proxy.total('cuts')
    duplicates = sum(row['duplicates'] for row in world.last_report['days']
                     if row['group'] is None)
    need_equal(duplicates, sum(account.copies.values()), 'further copies in the report')
    # a cut costs at most the copies of one request: a batch is one
    return Outcome(world, {**evidence, 'cuts': struck}, account, copies_max=struck * IN_FLIGHT_MAX,
                   figures={'reported_duplicates': duplicates})


@line(13, 'name servers flap', 'R1 R10', 'network')
def flapping_name_servers(run):
    """Three name servers come and go, all at times, and connections to the broker with them: the
    last route that was good is kept, and no send fails."""
    world = World(run.scenario, run.name, run.seed, namesrvs=3)
    servers = [f'namesrv{i}' for i in range(3)]
    feeder = world.feeder(2000, rate=800)
    feeder.wait_done(200)
    flaps = 0
    while feeder.stats['sent'] == 0:
        gone = world.random.sample(servers, world.random.randint(1, 3))
        world.proxy.down(*gone)
        flaps += len(gone)
        world.proxy.cut('broker')
        before = feeder.told('done')
        feeder.wait(lambda f, b=before: f.told('done') >= b + 200 or f.stats['sent'], 'sends to go on')
        world.proxy.up(*gone)
    feeder.end()
    account = world.account()
    need_equal((account.not_done, account.in_doubt), (0, 0), 'sends that failed')
    cuts = sum(world.proxy.of(s).count['cuts'] + world.proxy.of(s).count['refused'] for s in servers)
    return Outcome(world, {'flaps': flaps, 'namesrv_cuts': cuts,
                           'broker_cuts': world.broker.count['cuts']}, account,
                   copies_max=world.broker.count['cuts'] * IN_FLIGHT_MAX)


@line(15, 'retries make duplicates', 'R1 R2', 'network')
def retries(run):
    """Whole answers of batches disappear with their connections, on a primary and a secondary."""
    world = World(run.scenario, run.name, run.seed, kafka=FAST,
                  step='switched' if run.repetition % 2 else 'dual-write')
    left = {'kafka': 3, 'broker': 5}
    for role in left:
        def swallow(size, role=role):
            if left[role] == 0 or world.random.random() < 0.3:
                return None
            left[role] -= 1
            return 0
        world.proxy.of(role).cut_answer = swallow
    world.feeder(3000, threads=3).end()
    account = world.account()
    cuts = {f'{role}_answers_lost': world.proxy.of(role).count['cuts'] for role in left}
    return Outcome(world, cuts, account, copies_max=sum(cuts.values()) * IN_FLIGHT_MAX)


@line(16, 'broker busy, throttled', 'R1 R4', 'network')
def busy(run):
    """RocketMQ says that it is busy, to a share of the sends and then to each for a second; Kafka
    takes bytes slowly."""
    world = World(run.scenario, run.name, run.seed)
    world.broker.reject = world.random.uniform(0.05, 0.5)
    world.kafka.rate = 400_000
    feeder = world.feeder(1500, rate=1000)
    feeder.wait_done(700)
    world.broker.reject = 1.0
    before, since = world.broker.count['sends'], time.monotonic()
    feeder.wait(lambda f: time.monotonic() - since > 1.0, 'a second')
    storm = (world.broker.count['sends'] - before) / (time.monotonic() - since)
    world.broker.reject = 0.0
    feeder.end()
    # four queues that try again and again, each later than before
    need(storm < 400, 'sends a second to a broker that takes none', storm)
    return Outcome(world, {'rejected': world.broker.count['rejected'],
                           'throttled': world.kafka.count['throttled']}, world.account(),
                   figures={'sends_a_second_while_busy': round(storm)})


@line(17, 'slow side', 'R4', 'network')
def slow(run):
    """The secondary's answers take 10 ms, then 3 s: the application's callbacks do not."""
    world = World(run.scenario, run.name, run.seed)
    feeder = world.feeder(2500, rate=800)
    world.broker.delay = 0.01
    feeder.wait_done(1000)
    world.broker.delay = 3.0
    feeder.wait(lambda f: f.stats['sent'], 'all to be sent')
    feeder.wait_done(2500)
    pending = feeder.stats['pending']
    world.broker.delay = 0.0
    feeder.end()
    latencies = sorted(feeder.latencies_ms())
    worst = latencies[int(len(latencies) * 0.99)]
    need(worst < 1500, 'p99 of the callbacks in ms, with a secondary that takes 3000', worst)
    need(pending > 100, 'copies that waited while all was done', pending)
    return Outcome(world, {'delayed': world.broker.count['delayed'], 'waiting': pending},
                   world.account(), copies_max=IN_FLIGHT_MAX * 4,
                   figures={'p99_ms': round(worst, 1)})


@line(18, 'half-open connection, black hole', 'R1 R10', 'network')
def half_open(run):
    """What is connected passes nothing more one way, and nobody says so."""
    world = World(run.scenario, run.name, run.seed, kafka=FAST)
    feeder = world.feeder(2400, rate=400)
    holes = {}
    for role in ('broker', 'kafka'):
        direction = world.random.choice(('to_broker', 'to_client'))
        feeder.wait_done(400 if role == 'broker' else 800)
        holes[f'{role}_connections'] = world.proxy.black_hole(role, direction)
    since = time.monotonic()
    feeder.wait_done(2400, timeout=40)
    seen = time.monotonic() - since
    feeder.end()
    need(seen < 10 + 1600 / 400, 'all is done 10 s later than without', f'{seen:.1f} s')
    evidence = {f'{role}_bytes_stalled': world.proxy.of(role).count['bytes_stalled']
                for role in ('broker', 'kafka')}
    return Outcome(world, {**holes, **evidence}, world.account(), copies_max=IN_FLIGHT_MAX * 8)


def future_answer(frame):
    """The same answer as a later version might give it."""
    if frame[4] != 0:
        return None
    size = int.from_bytes(frame[5:8], 'big')
    header = json.loads(frame[8:8 + size])
    header['later'] = {'a': [1, None, {'b': 'x' * 300}]}
    header.setdefault('extFields', {})['ofALaterVersion'] = '1'
    text = json.dumps(header).encode()
    return struct.pack('>II', 4 + len(text) + len(frame) - 8 - size, len(text)) + text + frame[8 + size:]


@line(19, 'malformed, hostile or future frames', 'R1 R10', 'network')
def garbled(run):
    """Answers of sends are nonsense of many kinds; or hold fields of a later version."""
    world = World(run.scenario, run.name, run.seed, kafka=FAST)
    chance = world.random

    def noise(size):
        return bytes(chance.randrange(256) for _ in range(size))

    def of_size(body):
        return struct.pack('>I', len(body)) + body
    kinds = {
        'rocketmq': (lambda f: of_size(noise(len(f) - 4)),          # nothing is right
                     lambda f: struct.pack('>I', 0x7fffffff) + noise(60),  # far too long
                     lambda f: struct.pack('>I', 2) + b'\0\0',      # too short to be one
                     lambda f: of_size(b'\0\xff\xff\xff' + f[8:]),  # header longer than the frame
                     lambda f: of_size(f[4:8] + noise(len(f) - 8)),  # no JSON
                     lambda f: of_size(b'\x07' + f[5:]),            # unknown kind of header
                     future_answer),
        'kafka': (lambda f: of_size(noise(len(f) - 4)),
                  lambda f: struct.pack('>I', 0x7fffffff) + noise(60),
                  lambda f: of_size(f[4:8]),                        # right request, no answer
                  lambda f: of_size(f[4:len(f) - 7])),              # cut short
    }
    for role, protocol in (('kafka', 'kafka'), ('broker', 'rocketmq')):
        left = chance.sample(kinds[protocol], len(kinds[protocol]))  # each once

        def garble(frame, left=left):
            return left.pop()(frame) if left and chance.random() < 0.5 else None
        world.proxy.of(role).garble = garble
    world.feeder(2500, rate=500).end()
    evidence = {f'{role}_garbled': world.proxy.of(role).count['garbled'] for role in ('kafka', 'broker')}
    return Outcome(world, evidence, world.account(), copies_max=IN_FLIGHT_MAX * 11)

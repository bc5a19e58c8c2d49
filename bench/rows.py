"""The rows of the table in docs/performance.md."""
import subprocess
import tempfile
import time
import pathlib

from figures import Check, Row, cpu, rate
from programs import KAFKA, ROCKETMQ, Java, dual_plan, last_json, run

SIZE, WINDOW, QUEUES, BATCH = 128, 512, 8, 32
STUB_PARTITIONS, STUB_WINDOW = 4, 10000  # so large that librdkafka's linger does not bound it
WARM_MESSAGES = 2000000  # of a peer, or --warm seconds, whichever is sooner


def warmed(world, peer):
    peer.run(WARM_MESSAGES, world.options.warm)
    return peer


def async_kinds(world, *ours, binary=False):
    topic = world.brokers().topic('bench', QUEUES)
    peer = warmed(world, world.peer('produce', topic, 'async', SIZE, WINDOW, 1, BATCH, 0,
                                    binary=binary))
    scale = 1 if '--no-auto-batch' in ours else 10
    return {'ours': lambda: world.perf('produce', '--topic', topic, '--mode', 'async', '--size',
                                       SIZE, '--inflight', WINDOW, '--warmup',
                                       world.count(100000), '--count',
                                       world.count(200000 * scale), *ours),
            'java': lambda: peer.run(world.count(200000))}


def batch_kinds(world):
    topic = world.brokers().topic('bench', QUEUES)
    peer = warmed(world, world.peer('produce', topic, 'batch', SIZE, WINDOW, 4, BATCH, 0))
    return {'ours': lambda: world.perf('produce', '--topic', topic, '--mode', 'batch', '--batch',
                                       BATCH, '--threads', 4, '--size', SIZE, '--warmup',
                                       world.count(100000), '--count', world.count(1500000)),
            'java': lambda: peer.run(world.count(800000))}


def sync_kinds(world, threads, per_second):
    topic = world.brokers().topic('bench', QUEUES)
    peer = world.peer('produce', topic, 'sync', SIZE, WINDOW, threads, BATCH, per_second)
    peer.run(WARM_MESSAGES, world.options.warm)
    count = world.count(per_second * 8)
    return {'ours': lambda: world.perf('produce', '--topic', topic, '--mode', 'sync', '--threads',
                                       threads, '--rate', per_second, '--size', SIZE,
                                       '--warmup', world.count(per_second), '--count', count),
            'java': lambda: peer.run(count)}


def filled(world, name, queues, count):
    """A topic that has so many messages."""
    topic = world.brokers().topic(name, queues)
    if world.parts.setdefault(name, 0) < count:
        world.perf('produce', '--topic', topic, '--size', SIZE, '--inflight', 4096, '--count',
                   count - world.parts[name])
        world.parts[name] = count
    return topic


def group_kinds(world):
    """The same kind of client on both sides: a member of a group whose handler gets 32 messages
    at a time, on as many threads as the Java client has by default."""
    kinds = consume_kinds(world, 'bench-memory', QUEUES, 1000000)
    count = world.count(1000000)
    groups = iter(range(1 << 30))
    return {'ours': lambda: world.perf('consume', '--topic', 'bench-memory', '--group',
                                       f'member-{next(groups)}', '--threads', 20, '--batch', 32,
                                       '--warmup', count // 10, '--count', count),
            'java': kinds['java']}


def consume_kinds(world, name, queues, count):
    count = world.count(count)
    warm = count // 10
    topic = filled(world, name, queues, count + warm)
    peer = world.peer('consume', topic, warm)
    peer.run(count)
    return {'ours': lambda: world.perf('consume', '--topic', topic, '--warmup', warm, '--count',
                                       count),
            'java': lambda: peer.run(count)}


def disk_kinds(world):
    kinds = consume_kinds(world, 'bench-disk', 1, 200000)
    world.broker_setting('accessMessageInMemoryMaxRatio', '0')
    return kinds


def stub_kinds(world):
    return {'ours': lambda: world.stub('produce', '--mode', 'async', '--size', SIZE, '--inflight',
                                       4096, '--warmup', world.count(200000), '--count',
                                       world.count(4000000))}


def idle_kinds(world):
    topic = world.brokers().topic('bench', QUEUES)
    return {'ours': lambda: last_json(run(world.build / 'bench' / 'rmq_idle',
                                          world.brokers().namesrv, topic))}


def dual_write_kinds(world):
    brokers = world.brokers()
    kafka, partitions = brokers.kafka(), 4
    config = dual_plan(world, 'naive', kafka, brokers.namesrv, partitions)
    java = Java(world.folder, 'NaiveDualWrite', f'kafka-{KAFKA}', f'rocketmq-{ROCKETMQ}')
    count = world.count(200000)
    # the compiler has done its work after some hundred thousand messages
    return {'ours': lambda: last_json(run(
                world.build / 'bench' / 'dual_write', '--config', config, '--count', count * 4,
                '--warmup', count * 2, '--size', SIZE, '--window', WINDOW, '--both')),
            'java': lambda: last_json(run(*java.command(
                kafka, brokers.namesrv, 'dual', partitions, count, max(count, 300000), SIZE,
                WINDOW)))}


def dual_stub_kinds(world, size, stamped):
    """Dual write, and each side alone, against the same stubs. With `stamped` the peers send the
    header and the property, too, that a dual write has on each copy."""
    stubs = world.stubs(STUB_PARTITIONS)
    config = world.part('stubs-plan', lambda: dual_plan(world, 'stubs', stubs.kafka,
                                                        stubs.namesrv, STUB_PARTITIONS))
    count = world.count(2000000 if size < 512 else 1000000)
    load = ('--count', count, '--warmup', count // 5, '--size', size, '--window', STUB_WINDOW)

    def alone(*words):
        return lambda: last_json(run(
            world.build / 'bench' / 'one_side', *words, '--topic', 'dual', '--partitions',
            STUB_PARTITIONS, *load, *(['--stamped'] if stamped else [])))
    return {'ours': lambda: last_json(run(world.build / 'bench' / 'dual_write', '--config',
                                          config, '--both', *load)),
            'kafka': alone('--kafka', stubs.kafka),
            'rocketmq': alone('--namesrv', stubs.namesrv)}


def recovery_kinds(world):
    """Kills the broker under load and starts it again: from its port being open to the first
    message that is stored."""
    brokers = world.brokers()
    topic = brokers.topic('bench', QUEUES)

    def once():
        with tempfile.TemporaryFile('w+') as out:
            sender = subprocess.Popen([world.build / 'bench' / 'rmq_recovery', brokers.namesrv,
                                       topic, str(brokers.broker_port())], stdout=out)
            time.sleep(2)
            brokers.do('kill', 'broker')
            time.sleep(3)
            brokers.do('start', 'broker')
            sender.wait(120)
            out.seek(0)
            return last_json(out.read())
    return {'ours': once}


ROWS = [
    Row('async', 'async, automatic batching, against the Java client', async_kinds, [
        Check('CPU a message', cpu, 1 / 10, 1 / 30),
        Check('messages/s', rate, 3, 5, at_most=False)]),
    Row('async-unbatched', 'async, one request a message', lambda world: async_kinds(
        world, '--no-auto-batch'), [Check('CPU a message', cpu, 1 / 6, 1 / 12)]),
    Row('async-binary', 'async, automatic batching, against Java with binary headers',
        lambda world: async_kinds(world, binary=True), [Check('CPU a message', cpu, 1 / 8, 1 / 25)]),
    Row('batch', 'explicit batches of 32, 4 threads', batch_kinds, [
        Check('CPU a message', cpu, 1 / 4, 1 / 10)]),
    Row('consume', 'consuming from memory, against the push consumer', lambda world: consume_kinds(
        world, 'bench-memory', QUEUES, 1000000), [Check('CPU a message', cpu, 1 / 4, 1 / 10)]),
    Row('consume-group', 'a group member from memory, against the push consumer', group_kinds, [
        Check('CPU a message', cpu, 1 / 4, 1 / 10)]),
    Row('disk', 'catching up on one queue "from disk"', disk_kinds, [
        Check('messages/s', rate, 1.5, 4, at_most=False)]),
    Row('sync-1', 'sync, 1 thread, 1,000/s', lambda world: sync_kinds(world, 1, 1000), [
        Check('p50', lambda f: f['p50_us'], 1.0, 0.8),
        Check('p99', lambda f: f['p99_us'], 0.8, 0.5)]),
    Row('sync-16', 'sync, 16 threads, 4,000/s', lambda world: sync_kinds(world, 16, 4000), [
        Check('p50', lambda f: f['p50_us'], 1.0, 0.8),
        Check('p99', lambda f: f['p99_us'], 0.8, 0.5)]),
    Row('stub', 'async against the stub', stub_kinds, [
        Check('messages/s per core', lambda f: 1e6 / cpu(f), 0.7e6, 1.5e6, at_most=False,
              against=None, unit='/s')]),
    Row('idle', 'idle client', idle_kinds, [
        Check('memory', lambda f: f['rss_kib'] / 1024, 16, 6, against=None, unit='MiB')]),
    Row('recovery', 'broker killed and started again', recovery_kinds, [
        Check('to the first success', lambda f: f['recovery_s'], 2, 0.5, against=None, unit='s')]),
    Row('dual-write', 'dual write, against two Java clients', dual_write_kinds, [
        Check('CPU a message', cpu, 1 / 10, 1 / 20),
        Check('messages/s', rate, 3, 5, at_most=False)]),
    *(Row(f'dual-stub-{size}{"" if stamped else "-plain"}',
          f'dual write of {size} B against Kafka alone + RocketMQ alone, '
          f'{"the same bytes" if stamped else "without stamps"}, stubs',
          lambda world, size=size, stamped=stamped: dual_stub_kinds(world, size, stamped),
          [Check('CPU a message', cpu, 1.10, 1.05, against=('kafka', 'rocketmq'))])
      for size in (128, 1024) for stamped in (True, False)),
]
# the broker is never the same after these, so they go last
LAST = ('disk', 'recovery')

"""Lines in which the network between producer and brokers misbehaves."""
from lines import Outcome, line
from world import World, need, need_equal

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
    return Outcome(world, {**evidence, 'cuts': struck}, account, copies_max=struck * 1024,
                   figures={'reported_duplicates': duplicates})

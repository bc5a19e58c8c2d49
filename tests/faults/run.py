"""Makes the failures of docs/reliability.md happen to producers, and writes build/faults.json.

    python3 tests/faults/run.py --brokers memory|real [--group G] [--line N,...]
                                [--repetitions N] [--seed S] [--keep]

Each line is repeated with the seeds S, S + 1, ...; the runner fails where a promise is broken, and
where nothing proves that the fault struck. What it found goes into faults.json beside the
findings of other runs: one entry per line and kind of brokers, the last run of it.

DUET_FAULTS_REPETITIONS is the default of --repetitions (1).
"""
import argparse
import collections
import fcntl
import json
import os
import sys
import time

sys.dont_write_bytecode = True
import lines  # noqa: E402
from lines import ELSEWHERE, LINES, UNPROTECTED  # noqa: E402
from world import BUILD, Failed, Skip, need  # noqa: E402
from harness import Scenario  # noqa: E402
import crash  # noqa: E402,F401
import limits  # noqa: E402,F401
import network  # noqa: E402,F401
import outage  # noqa: E402,F401

FILE = BUILD / 'faults.json'


class Run:
    """One repetition."""

    def __init__(self, scenario, number, repetition, seed):
        self.scenario, self.repetition, self.seed = scenario, repetition, seed
        self.name = f'f{number}-{repetition}'


def summed(total, one):
    """Numbers and mappings of numbers add up; what is true must be true each time."""
    for key, value in one.items():
        if isinstance(value, dict):
            summed(total.setdefault(key, {}), value)
        elif isinstance(value, bool):
            total[key] = total.get(key, True) and value
        else:
            total[key] = total.get(key, 0) + value
    return total


def check(line, outcome):
    """Fails where the fault did not strike, or a promise is broken."""
    for what, number in outcome.evidence.items():
        need(number > 0, f'line {line.number}: the fault did not strike: {what} is {number}')
    problems = outcome.account.problems()
    need(not problems, f'line {line.number}', *problems)
    copies = sum(outcome.account.copies.values())
    need(copies <= outcome.copies_max, f'line {line.number}: further copies',
         f'{copies}, at most {outcome.copies_max}')
    need(outcome.account.issued > 0 or outcome.figures.get('refused_first'),
         f'line {line.number}: nothing was sent')


def repeat(scenario, line, repetitions, seed):
    """All repetitions of a line, as its entry in faults.json."""
    entry = {'line': line.number, 'title': line.title, 'brokers': scenario.kind,
             'promises': line.promises, 'seed': seed, 'repetitions': 0, 'evidence': {}}
    begun = time.monotonic()
    for repetition in range(repetitions):
        run = Run(scenario, line.number, repetition, seed + repetition)
        try:
            outcome = line.function(run)
            check(line, outcome)
        except Failed as problem:
            raise Failed(f'line {line.number}, seed {run.seed}: {problem}') from None
        outcome.world.end()
        summed(entry['evidence'], outcome.evidence)
        summed(entry, outcome.account.figures())
        summed(entry, {'figures': outcome.figures})
        entry['repetitions'] += 1
    entry['seconds'] = round(time.monotonic() - begun, 1)
    scenario.say(f'line {line.number} x {repetitions}, {entry["seconds"]} s: '
                 + json.dumps({k: entry[k] for k in ('evidence', 'issued', 'done', 'in_doubt',
                                                     'copies', 'missing', 'listed', 'figures')}))
    return entry


def take_away(scenario, promise, seed):
    """The run without a protection: the damage that it shows."""
    entry = UNPROTECTED[promise]
    run = Run(scenario, promise.lower(), 0, seed)
    outcome = entry.function(run)
    for what, number in outcome.evidence.items():
        need(number > 0, f'{promise}: the fault did not strike: {what} is {number}')
    damage = outcome.figures['damage']
    need(damage > 0, f'{promise}: without {entry.without} nothing is seen')
    outcome.world.end()
    scenario.say(f'{promise} without {entry.without}: damage {damage}')
    return {'promise': promise, 'title': entry.title, 'without': entry.without,
            'brokers': scenario.kind, 'seed': seed, 'evidence': outcome.evidence,
            'issued': outcome.account.issued, 'damage': damage,
            'what': outcome.account.problems()}


def keep(found):
    """Puts entries into the file; several runners may do so at a time."""
    with open(f'{FILE}.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            everything = json.loads(FILE.read_text())
        except (OSError, ValueError):
            everything = {}
        for section, entries in found.items():
            everything.setdefault(section, {}).update(entries)
        aside = FILE.with_suffix('.new')
        aside.write_text(json.dumps(everything, indent=1, sort_keys=True) + '\n')
        os.replace(aside, FILE)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--brokers', choices=('memory', 'real'), default='memory')
    parser.add_argument('--group')
    parser.add_argument('--line', help='numbers of lines and names of promises, with commas')
    parser.add_argument('--repetitions', type=int,
                        default=int(os.environ.get('DUET_FAULTS_REPETITIONS', '1')))
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--keep', action='store_true')
    arguments = parser.parse_args()
    names = arguments.line.split(',') if arguments.line else None

    def chosen(table):
        return [key for key, entry in table.items()
                if arguments.brokers in entry.brokers
                and (str(key) in names if names else arguments.group in (None, entry.group))]
    skipped = []
    with Scenario('faults', argv=['--brokers', arguments.brokers]
                  + (['--keep'] if arguments.keep else [])) as scenario:
        found = collections.defaultdict(dict)
        for number in chosen(LINES):
            try:
                found['lines'][f'{number} {scenario.kind}'] = repeat(
                    scenario, LINES[number], arguments.repetitions, arguments.seed)
            except Skip as reason:
                skipped.append(f'line {number}: {reason}')
            keep(found)
        for promise in chosen(UNPROTECTED):
            found['unprotected'][promise] = take_away(scenario, promise, arguments.seed)
            keep(found)
        need(found or skipped, 'no such line or group')
        need(not set(ELSEWHERE) & set(LINES), 'a line is here or elsewhere')
    for reason in skipped:
        print(f'skipped: {reason}', file=sys.stderr)
    if skipped and not found:
        sys.exit(77)


if __name__ == '__main__':
    main()

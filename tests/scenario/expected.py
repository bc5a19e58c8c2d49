"""What the tables and the daily counts must be, by SQL over the flight file alone.

Nothing here knows duet's code: the file goes into an in-memory SQLite database as text, and the
answers are queries. A key has one producer and one partition, so its order of arrival is the
file's; `from_log` does the same for rows in the order of a broker's log.
"""
import csv
import json
import sqlite3

CARRIER_DAY = """
SELECT carrier, printf('%04d-%02d-%02d', year, month, day), count(*),
       sum(dep_time = 'NA'),
       sum(CASE dep_delay WHEN 'NA' THEN 0 ELSE CAST(dep_delay AS INTEGER) END)
FROM flights GROUP BY 1, 2 ORDER BY 1, 2
"""

LAST_SEEN = """
WITH ordered AS (
    SELECT tailnum, origin, dest, time_hour,
           lag(dest) OVER arrival AS dest_before,
           row_number() OVER arrival AS leg,
           count(*) OVER (PARTITION BY tailnum) AS legs
    FROM flights WHERE tailnum <> 'NA'
    WINDOW arrival AS (PARTITION BY tailnum ORDER BY arrived)),
chains AS (
    SELECT tailnum, sum(origin = dest_before) AS chained FROM ordered GROUP BY tailnum)
SELECT tailnum, origin, dest, time_hour, legs, ifnull(chained, 0)
FROM ordered JOIN chains USING (tailnum) WHERE leg = legs ORDER BY tailnum
"""

# time_hour is UTC already, and the migration's zone is UTC
DAYS = "SELECT substr(time_hour, 1, 10), count(*) FROM flights GROUP BY 1 ORDER BY 1"


class Expected:
    """carrier_day and last_seen as lists of tuples in key order; days as {day: rows}."""

    def __init__(self, columns, rows):
        database = sqlite3.connect(':memory:')
        database.execute('CREATE TABLE flights (arrived INTEGER PRIMARY KEY, %s)'
                         % ', '.join(f'{column} TEXT' for column in columns))
        marks = ', '.join('?' * len(columns))
        database.executemany(f'INSERT INTO flights ({", ".join(columns)}) VALUES ({marks})', rows)
        self.carrier_day = database.execute(CARRIER_DAY).fetchall()
        self.last_seen = database.execute(LAST_SEEN).fetchall()
        self.days = dict(database.execute(DAYS).fetchall())
        self.rows = database.execute('SELECT count(*) FROM flights').fetchone()[0]
        database.close()

    def tables(self):
        return {'carrier_day': self.carrier_day, 'last_seen': self.last_seen}


def from_csv(path):
    with open(path, newline='') as source:
        reader = csv.reader(source)
        columns = next(reader)
        return Expected(columns, reader)


def from_log(records):
    """`records`: of a log, in order within each partition, each with a flight as its value."""
    flights = [json.loads(record['value']) for record in records]
    if not flights:
        raise AssertionError('the log is empty')
    columns = list(flights[0])
    return Expected(columns, ([('NA' if flight[column] is None else str(flight[column]))
                               for column in columns] for flight in flights))


if __name__ == '__main__':
    import sys
    for name, table in from_csv(sys.argv[1]).tables().items():
        for row in table:
            print(name, *row, sep='|')

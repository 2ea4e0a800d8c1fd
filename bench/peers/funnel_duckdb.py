# SPDX-License-Identifier: Apache-2.0
"""The funnel of bench/funnel.c in DuckDB's SQL: funnel_duckdb.py PREFIX WINDOW_MS.

Reads PREFIX.customer, .time, .type, .position (numbers as bench/data.h writes them) into a table, which is not measured, and
then asks for the number of customers who got at least to each step. A chain's step m carries the time at which the chain began;
times only grow, so "the newest chain" is a running maximum. One thread; rate = events / CPU seconds."""
import sys
import time

import duckdb
import numpy

prefix, window = sys.argv[1], int(sys.argv[2])
events = {
    "customer": numpy.fromfile(prefix + ".customer", dtype="<u4"),
    "t": numpy.fromfile(prefix + ".time", dtype="<i8"),
    "type": numpy.fromfile(prefix + ".type", dtype="<u2"),
    "position": numpy.fromfile(prefix + ".position", dtype="<u8"),
}
connection = duckdb.connect()
connection.execute("SET threads TO 1")
connection.execute("CREATE TABLE events AS SELECT * FROM events")
count = len(events["t"])
del events

rows = "(PARTITION BY customer ORDER BY t, position ROWS UNBOUNDED PRECEDING)"
query = f"""
WITH s1 AS (SELECT *, max(CASE WHEN type = 0 THEN t END) OVER {rows} AS b1 FROM events WHERE type < 4),
     s2 AS (SELECT *, max(CASE WHEN type = 1 AND t - b1 <= {window} THEN b1 END) OVER {rows} AS b2 FROM s1),
     s3 AS (SELECT *, max(CASE WHEN type = 2 AND t - b2 <= {window} THEN b2 END) OVER {rows} AS b3 FROM s2),
     s4 AS (SELECT customer, b1, b2, b3, CASE WHEN type = 3 AND t - b3 <= {window} THEN b3 END AS b4 FROM s3),
     each AS (SELECT customer, count(b1) > 0 AS r1, count(b2) > 0 AS r2, count(b3) > 0 AS r3, count(b4) > 0 AS r4
              FROM s4 GROUP BY customer)
SELECT count(*) FILTER (r1), count(*) FILTER (r2), count(*) FILTER (r3), count(*) FILTER (r4) FROM each
"""
begin = time.process_time()
steps = connection.execute(query).fetchone()
seconds = time.process_time() - begin
for number, reached in enumerate(steps, 1):
    print(f"step{number} {reached}")
print(f"rate {count / seconds}")

# SPDX-License-Identifier: Apache-2.0
"""bench/ingest.c's file read by DuckDB into a table on disk: ingest_duckdb.py csv|ndjson PATH.

Its own reader with all types given (nothing is guessed), one thread, committed and checkpointed. Rate = rows / CPU seconds."""
import os
import sys
import tempfile
import time

import duckdb

kind, path = sys.argv[1], sys.argv[2]
properties = {"page": "VARCHAR", "title": "VARCHAR", "button": "VARCHAR", "amount": "DECIMAL(12,2)", "quantity": "DOUBLE",
              "position": "DOUBLE", "country": "VARCHAR", "referrer": "VARCHAR"}
if kind == "csv":
    columns = str({"id": "VARCHAR", "time": "TIMESTAMP", "event": "VARCHAR", "customer": "VARCHAR"} | properties)
    query = f"SELECT * FROM read_csv('{path}', header=true, delim=',', quote='\"', auto_detect=false, columns={columns})"
else:
    struct = "STRUCT(" + ", ".join(f"{name} {type}" for name, type in properties.items()) + ")"
    columns = str({"type": "VARCHAR", "event": "VARCHAR", "messageId": "VARCHAR", "timestamp": "TIMESTAMP", "userId": "VARCHAR",
                   "properties": struct})
    query = f"SELECT * FROM read_json('{path}', format='newline_delimited', columns={columns})"

with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
    connection = duckdb.connect(os.path.join(folder, "peer.duckdb"))
    connection.execute("SET threads TO 1")
    begin = time.process_time()
    connection.execute(f"CREATE TABLE events AS {query}")
    connection.execute("CHECKPOINT")
    seconds = time.process_time() - begin
    count = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    connection.close()
print(f"rate {count / seconds}")

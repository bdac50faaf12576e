"""Asks DuckDB the questions of `cargo xtask bench peers` and prints a line of JSON for each.

usage: duckdb.py log|parquet FILE ENTITY REQUEST ROUNDS
A line: question, rows, cpu_s and clock_s (the medians of the rounds, of this process once DuckDB is loaded),
memory_bytes (the most so far).
"""

import json
import resource
import statistics
import sys
import time

import duckdb

kind, file, entity, request, rounds = sys.argv[1:]
connection = duckdb.connect(config={"threads": 1})
# It would stand among the answers.
connection.execute("set enable_progress_bar = false")
# Only the columns that a question needs are named: DuckDB then parses no others.
COLUMNS = """{type: 'VARCHAR', time: 'VARCHAR', error: 'VARCHAR', auth: 'STRUCT(entity_id VARCHAR)',
              request: 'STRUCT(id VARCHAR, path VARCHAR)'}"""
LOG = f"read_json(getvariable('file'), format = 'newline_delimited', columns = {COLUMNS})"
connection.execute("set variable file = $1", [file])
connection.execute("set variable entity = $1", [entity])
connection.execute("set variable request = $1", [request])

QUESTIONS = {
    "log": {
        "reached": f"""select coalesce(auth.entity_id, ''), request.path, coalesce(error, ''), count(*)
                       from {LOG} where type = 'response' group by all""",
        "denied": f"select count(*) from {LOG} where type = 'response' and error is not null",
        "newest": f"""select request.id from {LOG}
                      where type = 'response' and auth.entity_id = getvariable('entity')
                      order by time desc limit 50""",
        "request": f"""select distinct request.id, request.path from {LOG}
                       where request.id = getvariable('request')""",
    },
    "parquet": {
        "reached": """select coalesce(regexp_extract(identity_key, '/entity/(.*)$', 1), ''), path,
                             if(decision = 'denied', 'denied', ''), count(*)
                      from read_parquet(getvariable('file')) group by all""",
        "denied": "select count(*) from read_parquet(getvariable('file')) where decision = 'denied'",
        "newest": """select request_id from read_parquet(getvariable('file'))
                     where identity_key = 'bench/entity/' || getvariable('entity')
                     order by time desc limit 50""",
        "request": """select request_id, path from read_parquet(getvariable('file'))
                      where request_id = getvariable('request')""",
    },
}

for question, sql in QUESTIONS[kind].items():
    cpu_s, clock_s = [], []
    for _ in range(int(rounds)):
        cpu, clock = time.process_time(), time.perf_counter()
        rows = connection.execute(sql).fetchall()
        cpu_s.append(time.process_time() - cpu)
        clock_s.append(time.perf_counter() - clock)
    print(
        json.dumps(
            {
                "question": question,
                "rows": rows,
                "cpu_s": statistics.median(cpu_s),
                "clock_s": statistics.median(clock_s),
                "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )

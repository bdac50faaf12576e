"""Sends the events of a file as a plain client does, which has every message ready: what the receiver takes at most.

relp|syslog|kafka|opensearch ADDRESS EVENTS
topics BROKER              makes the topics `audit`, of keytrail, and `plain`, of three partitions each
template ADDRESS FOLDER    loads keytrail's templates into an OpenSearch of one node
"""

import http.client
import json
import socket
import sys

WINDOW = 128
BULK = 1_000


def lines(events):
    with open(events, "rb") as file:
        yield from (line.rstrip(b"\n") for line in file)


def connected(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)))


def message(line):
    return b"<109>1 2026-01-01T00:00:00Z host plain - - - " + line


def relp(address, events):
    with connected(address) as stream:
        answers = stream.makefile("rb")

        def answer():
            # number, command, length, and so many bytes of data
            head = answers.readline()
            length = int(head.split(b" ")[2])
            begun = len(b" ".join(head.split(b" ")[3:])) if length else 0
            if length and begun < length + 1:
                answers.read(length + 1 - begun)

        offer = b"relp_version=0\nrelp_software=plain\ncommands=syslog"
        stream.sendall(b"1 open %d %s\n" % (len(offer), offer))
        answer()
        number, under_way = 1, 0
        for line in lines(events):
            number += 1
            data = message(line)
            stream.sendall(b"%d syslog %d %s\n" % (number, len(data), data))
            under_way += 1
            if under_way == WINDOW:
                answer()
                under_way -= 1
        for _ in range(under_way):
            answer()


def syslog(address, events):
    with connected(address) as stream:
        for line in lines(events):
            data = message(line)
            stream.sendall(b"%d %s" % (len(data), data))


def kafka(broker, events):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5})
    failed = []
    for line in lines(events):
        while True:
            try:
                producer.produce("plain", line, on_delivery=lambda error, _: error and failed.append(error))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()
    assert not failed, failed[0]


def opensearch(address, events):
    connection = http.client.HTTPConnection(address)

    def send(documents):
        body = b"".join(b'{"create":{}}\n' + document + b"\n" for document in documents)
        connection.request("POST", "/logs-keytrail-plain/_bulk", body, {"Content-Type": "application/x-ndjson"})
        answer = json.loads(connection.getresponse().read())
        assert not answer["errors"], answer["items"][0]

    documents = []
    for line in lines(events):
        documents.append(line)
        if len(documents) == BULK:
            send(documents)
            documents = []
    if documents:
        send(documents)


def topics(broker):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": broker})
    for made in admin.create_topics([NewTopic(name, num_partitions=3) for name in ("audit", "plain")]).values():
        made.result(60)


def template(address, folder):
    connection = http.client.HTTPConnection(address)
    for path, name in (("_component_template", "component-template"), ("_index_template", "index-template")):
        with open(f"{folder}/{name}.json", "rb") as file:
            connection.request("PUT", f"/{path}/keytrail", file.read(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 200, said


globals()[sys.argv[1]](*sys.argv[2:])

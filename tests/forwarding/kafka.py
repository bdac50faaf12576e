"""A topic by librdkafka, which is not what keytrail sends with.

make BROKERS TOPIC RECORD_BYTES    makes it, of three partitions, for records up to so large
read BROKERS TOPIC                 prints each record as a JSON line: key, headers, value
"""

import json
import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def make(brokers, topic, record_bytes):
    admin = AdminClient({"bootstrap.servers": brokers})
    new = NewTopic(topic, num_partitions=3, replication_factor=1, config={"max.message.bytes": record_bytes})
    for made in admin.create_topics([new]).values():
        made.result(60)


def read(brokers, topic):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "unused", "enable.auto.commit": False})
    partitions = [TopicPartition(topic, number, 0) for number in consumer.list_topics(topic, 60).topics[topic].partitions]
    ends = {place.partition: consumer.get_watermark_offsets(place, 60)[1] for place in partitions}
    consumer.assign(partitions)
    left = {number for number, end in ends.items() if end > 0}
    while left:
        record = consumer.poll(60)
        if record is None or record.error():
            sys.exit(f"nothing comes, and these partitions are not at their end: {left}")
        headers = {name: value.decode() for name, value in record.headers() or []}
        print(json.dumps({"key": record.key().decode(), "headers": headers, "value": record.value().decode()}))
        if record.offset() + 1 >= ends[record.partition()]:
            left.discard(record.partition())
    consumer.close()


{"make": make, "read": read}[sys.argv[1]](*sys.argv[2:])

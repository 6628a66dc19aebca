from scenario import python_client, run_scenario


def test_kafka_python_with_four_shards():
    run_scenario(python_client("kafka_python.py"), shards=4)

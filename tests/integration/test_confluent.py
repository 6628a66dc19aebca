from scenario import python_client, run_scenario


def test_confluent_kafka_python_with_two_shards():
    run_scenario(python_client("confluent.py"), shards=2)

from scenario import node_client, run_scenario


def test_platformatic_kafka_with_one_shard():
    run_scenario(node_client("platformatic.js"), shards=1)

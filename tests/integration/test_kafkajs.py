from scenario import node_client, run_scenario


def test_kafkajs_with_two_shards():
    run_scenario(node_client("kafkajs.js"), shards=2)

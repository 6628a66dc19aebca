from scenario import python_client, run_scenario


def test_kcat_with_one_shard():
    run_scenario(python_client("kcat.py"), shards=1)


def test_kcat_with_two_shards():
    run_scenario(python_client("kcat.py"), shards=2)


def test_kcat_with_four_shards():
    run_scenario(python_client("kcat.py"), shards=4)

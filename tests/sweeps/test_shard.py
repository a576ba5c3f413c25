"""Shards of one division run side by side; whatever would run a trial twice is refused."""

import pytest

from asrnn.errors import ConfigError, WorkdirInUse
from asrnn.sweeps.shard import WHOLE, Shard, held, read_shard


def test_shards_of_as_many_parts_share_a_folder(tmp_path):
    with held(tmp_path, Shard(0, 3)), held(tmp_path, Shard(1, 3)), held(tmp_path, Shard(2, 3)):
        pass


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        (WHOLE, WHOLE, "another process runs it, or a shard of it; wait"),
        (Shard(1, 3), WHOLE, "another process runs it, or a shard of it; wait"),
        (WHOLE, Shard(1, 3), "runs it as a whole; wait, or stop it and start all shards"),
        (Shard(1, 3), Shard(1, 3), "another process runs shard 1/3; give another --shard"),
        (Shard(0, 2), Shard(1, 3), "runs one of 2 shards; give --shard=i/2, or wait"),
        (Shard(0, 3), Shard(0, 2), "runs one of 3 shards; give --shard=i/3, or wait"),
    ],
)
def test_who_else_is_refused_while_the_first_is_there(first, second, complaint, tmp_path):
    with (
        held(tmp_path, first),
        pytest.raises(WorkdirInUse, match=complaint),
        held(tmp_path, second),
    ):
        pass
    with held(tmp_path, second):
        pass


def test_who_was_refused_holds_nothing(tmp_path):
    with held(tmp_path, Shard(0, 2)):
        with pytest.raises(WorkdirInUse), held(tmp_path, Shard(0, 3)):
            pass
        with held(tmp_path, Shard(1, 2)):
            pass


@pytest.mark.parametrize("text", ["", "1", "1/1", "2/2", "-1/2", "a/2", "0/0", "1/2/3"])
def test_a_shard_is_the_ith_of_n(text):
    assert read_shard("0/1") == WHOLE
    assert read_shard("1/4") == Shard(1, 4)
    with pytest.raises(ConfigError, match="--shard must be i/n with i below n"):
        read_shard(text)

"""Several processes' numbers as one server's."""

from streamer.engine.scheduler import Batch
from streamer.metrics import EngineMetrics, Metrics
from streamer.workers.tally import Tally


def value(exposition, line):
    return next(float(row.rpartition(" ")[2]) for row in exposition.decode().splitlines() if row.startswith(line + " "))


def gateway(*, sessions=0, ready=1.0, finals=0):
    metrics = Metrics()
    metrics.sessions.set(sessions)
    metrics.ready.set(ready)
    metrics.queue.set(1.5)
    metrics.messages.labels("final").inc(finals)
    metrics.final_lag.observe(0.03)
    return metrics.exposition()


def engine(items=2):
    metrics = EngineMetrics()
    metrics.queue.set(1.0)
    metrics.batch(Batch(items=items, audio_s=2.0, padded_s=3.0, decode_ms=20.0, queue_ms=(1.0,) * items, kinds=("partial",) * items))
    return metrics.exposition()


def test_counters_histograms_and_gauges_are_summed():
    whole = Tally().exposition([gateway(sessions=3, finals=2), gateway(sessions=4, finals=5), engine(), engine(3)])

    assert value(whole, "streamer_open_sessions") == 7.0
    assert value(whole, 'streamer_messages_total{type="final"}') == 7.0
    assert value(whole, "streamer_endpoint_to_final_seconds_count") == 2.0
    assert value(whole, 'streamer_endpoint_to_final_seconds_bucket{le="0.05"}') == 2.0
    assert value(whole, 'streamer_jobs_total{kind="partial"}') == 5.0
    assert value(whole, "streamer_batch_items_sum") == 5.0


def test_memory_is_that_of_all_and_the_beginning_that_of_the_first():
    one = Metrics().exposition()
    whole = Tally().exposition([one, one])

    assert value(whole, "process_resident_memory_bytes") == 2 * value(one, "process_resident_memory_bytes")
    assert value(whole, "process_start_time_seconds") == value(one, "process_start_time_seconds")


def test_the_whole_is_ready_when_every_gateway_is():
    assert value(Tally().exposition([gateway(), gateway(), engine()]), "streamer_ready") == 1.0
    assert value(Tally().exposition([gateway(), gateway(ready=0.0), engine()]), "streamer_ready") == 0.0


def test_what_waits_is_told_by_several_and_counted_once():
    assert value(Tally().exposition([gateway(), gateway(), engine()]), "streamer_queue_audio_seconds") == 1.5


def test_every_family_is_described_once():
    text = Tally().exposition([gateway(), gateway(), engine()]).decode()

    assert text.count("# TYPE streamer_endpoint_to_final_seconds histogram") == 1
    assert text.count("# HELP streamer_open_sessions Open sessions") == 1


def test_what_a_process_had_counted_outlives_it():
    tally = Tally()
    tally.leave(gateway(sessions=9, finals=2))
    tally.leave(gateway(sessions=9, finals=3))
    whole = tally.exposition([gateway(sessions=1, finals=1)])

    assert value(whole, 'streamer_messages_total{type="final"}') == 6.0
    assert value(whole, "streamer_open_sessions") == 1.0

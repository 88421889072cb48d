"""GetTrends: what is asked for, and what is shown."""

from __future__ import annotations

from collections.abc import Mapping

from jobline.v1 import queue_pb2
from jobline.v1 import queue_service_pb2 as pb
from jobline_queue.core.errors import invalid
from jobline_queue.core.queue_counts import FLOWS, LEVELS, QueueCounts, most_frequent
from jobline_queue.core.time_buckets import quantiles
from jobline_queue.core.trends import KEPT, MINUTE, Stretches, Trend
from jobline_queue.rpc import convert

RANGE, POINTS, MOST_POINTS = 3600.0, 60, 500


def stretches(request: pb.GetTrendsRequest, now: float) -> Stretches:
    """Raises InvalidField."""
    seconds = convert.seconds("range", request, "range", KEPT)
    if seconds is None:
        seconds = RANGE
    elif seconds < MINUTE:
        raise invalid("range", "expected a duration from 1 minute to 8 days")
    if not 0 <= request.points <= MOST_POINTS:
        raise invalid("points", f"expected 1 to {MOST_POINTS}, or 0 for {POINTS}")
    return Stretches.back_from(now, seconds, request.points or POINTS)


def trend(shown: Trend, over: Stretches) -> queue_pb2.QueueTrends:
    errors = sorted(most_frequent(shown.total.errors).items(), key=lambda item: (-item[1], item[0]))
    return queue_pb2.QueueTrends(
        queue=shown.queue,
        points=[_point(counts, begin, over.length) for counts, begin in zip(shown.points, over.begins, strict=True)],
        errors=[queue_pb2.ErrorCount(code=code, count=count) for code, count in errors],
        total=_point(shown.total, over.begin, over.end - over.begin),
    )


def _point(counts: QueueCounts, begin: int, length: int) -> queue_pb2.TrendPoint:
    return queue_pb2.TrendPoint(
        time=convert.timestamp(float(begin)),
        length=convert.duration(length),
        wait=_quantiles(counts.waits),
        run=_quantiles(counts.runs),
        **{name: getattr(counts, name) for name in (*LEVELS, *FLOWS)},
    )


def _quantiles(counts: Mapping[int, int]) -> queue_pb2.Quantiles | None:
    if not counts:
        return None
    p50, p90, p99 = map(convert.duration, quantiles(counts, (0.5, 0.9, 0.99)))
    return queue_pb2.Quantiles(p50=p50, p90=p90, p99=p99)

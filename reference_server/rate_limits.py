"""Rate limits: how many requests of one client address are accepted within any 60 seconds."""

import time
import uuid
from collections import OrderedDict, deque
from math import ceil
from typing import Any

from werkzeug.exceptions import TooManyRequests

WINDOW = 60.0  # seconds
STREAM, CHAT = "stream", "chat"  # what is counted: replies that are streamed, over HTTP or a socket, and whole ones
# As RateLimits._wait, for all workers. A text, since Redis would cut the fraction of a number.
SCRIPT = """
local time, window = redis.call('TIME'), tonumber(ARGV[2])
local now = time[1] + time[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
  return tostring(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] + window - now)
end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('EXPIRE', KEYS[1], window)
return '0'
"""


class RateLimits:
    """Counts the requests of each route and address: in memory, or in Redis (`redis`: its client)."""

    def __init__(self, redis: Any = None) -> None:
        self._redis = redis
        self._times: OrderedDict[str, deque[float]] = OrderedDict()  # what was used last is at the end

    def check(self, route: str, address: str, most: int) -> None:
        """Count a request. Raises TooManyRequests if `most` were accepted within the last minute; RedisError."""
        key = f"chatproof:limit:{route}:{address}"
        if self._redis:
            wait = float(self._redis.eval(SCRIPT, 1, key, most, WINDOW, uuid.uuid4().hex))
        else:
            wait = self._wait(key, most, time.monotonic())
        if wait > 0:
            text = f"Too many requests: the limit is {most} per minute."
            raise TooManyRequests(text, retry_after=min(ceil(wait), int(WINDOW)))

    def _wait(self, key: str, most: int, now: float) -> float:
        """Seconds until the address may ask again; 0 if this request is accepted."""
        while self._times and next(iter(self._times.values()))[-1] <= now - WINDOW:
            self._times.popitem(last=False)
        times = self._times.setdefault(key, deque())
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if len(times) >= most:
            return times[0] + WINDOW - now
        times.append(now)
        self._times.move_to_end(key)
        return 0.0

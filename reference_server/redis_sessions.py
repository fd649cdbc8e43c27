"""The sessions of several processes, in Redis. See `sessions` for the rules that both keep.

A session is a hash (`id`, drawn when it begins; `messages`; `updated`) and a list of its exchanges as JSON.
The `id` tells whether the session is still the one that a reply began in. Each step is one script, which
Redis runs as a whole: nobody comes in between.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from reference_server.config import Config
from reference_server.sessions import Name, StoreError, Summary, timestamp

PREFIX = "chatproof:session:"
INDEX = "chatproof:sessions"  # the keys of all sessions by their last use
TIMEOUT = 5.0  # seconds for Redis to answer

OPEN = """
local key, index, id, now_text, age, most = KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(redis.call('TIME')[1])
if redis.call('HSETNX', key, 'id', id) == 1 then
  redis.call('HSET', key, 'messages', 0, 'updated', now_text)
  redis.call('DEL', key .. ':log')
end
redis.call('EXPIRE', key, age)
redis.call('EXPIRE', key .. ':log', age)
redis.call('ZADD', index, now, key)
redis.call('ZREMRANGEBYSCORE', index, '-inf', now - age)
local extra = redis.call('ZCARD', index) - most
if extra > 0 then
  for _, old in ipairs(redis.call('ZRANGE', index, 0, extra - 1)) do redis.call('DEL', old, old .. ':log') end
  redis.call('ZREMRANGEBYRANK', index, 0, extra - 1)
end
return {redis.call('HGET', key, 'id'), redis.call('LRANGE', key .. ':log', 0, -1)}
"""
ADD = """
local key, id, exchange, now_text = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local age, most, size = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call('HGET', key, 'id') ~= id then return 0 end
redis.call('HINCRBY', key, 'messages', 2)
redis.call('HSET', key, 'updated', now_text)
redis.call('RPUSH', key .. ':log', exchange)
redis.call('LTRIM', key .. ':log', -most, -1)
local all = redis.call('LRANGE', key .. ':log', 0, -1)
local total, kept = 0, 0
for place = #all, 1, -1 do
  total = total + #all[place]
  if total > size then break end
  kept = kept + 1
end
if kept == 0 then redis.call('DEL', key .. ':log') else redis.call('LTRIM', key .. ':log', -kept, -1) end
redis.call('EXPIRE', key .. ':log', age)
return 1
"""


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StoreError from error


class RedisSession:
    """A Session as it was when its reply began."""

    def __init__(self, sessions: "RedisSessions", key: str, session_id: str, exchanges: list[str]) -> None:
        self._sessions = sessions
        self._key = key
        self._id = session_id
        self._exchanges = exchanges

    def history(self) -> list[tuple[str, str]]:
        """See Session."""
        return [(user, assistant) for user, assistant in map(json.loads, self._exchanges)]

    def add_exchange(self, user: str, assistant: str) -> None:
        """See Session."""
        self._sessions.add(self._key, self._id, json.dumps([user, assistant], ensure_ascii=False))


class RedisSessions:
    """Sessions in Redis."""

    def __init__(self, limits: Config) -> None:
        self._limits = limits
        self._redis: Any = redis.Redis.from_url(
            limits.redis_url, decode_responses=True, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )
        self._open = self._redis.register_script(OPEN)
        self._add = self._redis.register_script(ADD)

    def open(self, name: Name) -> RedisSession:
        """See Sessions."""
        limits, key = self._limits, _key(name)
        with _reached():
            arguments: list[Any] = [uuid.uuid4().hex, timestamp(), limits.max_session_age, limits.max_sessions]
            session_id, exchanges = self._open([key, INDEX], arguments)
        return RedisSession(self, key, session_id, exchanges)

    def add(self, key: str, session_id: str, exchange: str) -> None:
        """Add an exchange to a session, if it is still the one of that id."""
        limits = self._limits
        with _reached():
            bounds = [limits.max_session_age, limits.max_history // 2, limits.max_history_chars]
            self._add([key], [session_id, exchange, timestamp(), *bounds])

    def get(self, name: Name) -> Summary | None:
        """See Sessions."""
        with _reached():
            messages, updated = self._redis.hmget(_key(name), "messages", "updated")
        return Summary(int(messages), updated) if messages is not None else None

    def delete(self, name: Name) -> bool:
        """See Sessions."""
        key = _key(name)
        with _reached():
            deleted = self._redis.pipeline().delete(key).delete(f"{key}:log").zrem(INDEX, key).execute()
        return bool(deleted[0])


def _key(name: Name) -> str:
    # A hash bounds the key's length, and no name can look like another's.
    return PREFIX + hashlib.sha256(json.dumps([name.user, name.session_id]).encode()).hexdigest()

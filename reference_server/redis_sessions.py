"""Sessions in Redis, shared by several processes. `sessions` has the rules that both stores keep.

A session is one JSON text. Its random `id` shows whether the session is still the one in which a reply began: a
session that was deleted and created again has another `id`. A step that reads before it writes is a transaction, and
is repeated if another process wrote in between.
"""

import hashlib
import json
import time
import uuid
from dataclasses import dataclass, replace
from typing import Any

import redis

from chatproof.reference_server.config import Config
from chatproof.reference_server.sessions import ChatSession, MemorySessions, SessionName

INDEX = "chatproof:sessions"  # a sorted set: the keys of all sessions by the time of their last use
TIMEOUT = 5.0  # seconds for Redis to answer


@dataclass(kw_only=True)
class RedisSession(ChatSession):
    """A session as it was when its reply began."""

    redis: Any
    key: str
    id: str

    def add_exchange(self, user: str, assistant: str) -> None:
        """See ChatSession. Keeps the exchanges that other replies added in the meantime."""

        def add(transaction: Any) -> None:
            state = json.loads(transaction.get(self.key) or "{}")
            transaction.multi()
            if state.get("id") == self.id:
                current = replace(self, **state)
                ChatSession.add_exchange(current, user, assistant)
                transaction.set(self.key, current.dump(), keepttl=True)

        self.redis.transaction(add, self.key)

    def dump(self) -> str:
        """Encode the session as Redis stores it."""
        state = {"id": self.id, "messages": self.messages, "updated": self.updated, "exchanges": self.exchanges}
        return json.dumps(state, ensure_ascii=False)


class RedisSessions:
    """Sessions in Redis. Every method may raise RedisError."""

    def __init__(self, limits: Config) -> None:
        self._limits = limits
        self._redis: Any = redis.Redis.from_url(
            limits.redis_url, decode_responses=True, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )

    def _session(self, key: str, **state: Any) -> RedisSession:
        return RedisSession(self._limits, redis=self._redis, key=key, **state)

    def open(self, name: SessionName) -> ChatSession:
        """See MemorySessions."""
        key, now, age = _key(name), time.time(), self._limits.max_session_age
        with self._redis.pipeline() as together:
            together.set(key, self._session(key, id=uuid.uuid4().hex).dump(), nx=True).expire(key, age).get(key)
            together.zadd(INDEX, {key: now}).zremrangebyscore(INDEX, "-inf", now - age).zcard(INDEX)
            _, _, state, _, _, count = together.execute()
            if count > self._limits.max_sessions:  # each key is popped once, by one process
                oldest = self._redis.zpopmin(INDEX, count - self._limits.max_sessions)
                self._redis.delete(*(old for old, _ in oldest))
        return self._session(key, **json.loads(state))

    def get(self, name: SessionName) -> ChatSession | None:
        """See MemorySessions."""
        key = _key(name)
        state = self._redis.get(key)
        return self._session(key, **json.loads(state)) if state else None

    def delete(self, name: SessionName) -> bool:
        """See MemorySessions."""
        key = _key(name)
        return bool(self._redis.pipeline().delete(key).zrem(INDEX, key).execute()[0])


def _key(name: SessionName) -> str:
    # A hash bounds the key's length and keeps names apart.
    return "chatproof:session:2:" + hashlib.sha256(json.dumps([name.user, name.session_id]).encode()).hexdigest()


Sessions = MemorySessions | RedisSessions

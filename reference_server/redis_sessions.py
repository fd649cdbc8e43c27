"""Sessions in Redis, shared by several processes. `sessions` has the rules that both stores keep.

A session is one JSON text. Its random `id` shows whether the session is still the one in which a reply began: a
session that was deleted and created again has another `id`. A step that reads before it writes is a script, or a
transaction that is repeated if another process wrote in between.
"""

import hashlib
import json
import uuid
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chatproof.reference_server.sessions import MAX_AGE, SESSION_BYTES, ChatSession, MemorySessions, SessionName

INDEX = "chatproof:sessions:3"  # a sorted set: the keys of all sessions by the time of their last use
SIZES = "chatproof:sizes:3"  # a hash: the bytes of each session by its key, and of all under `total`
TIMEOUT = 5.0  # seconds for Redis to answer
# Open, change or delete a session; then delete others: those too old, and the oldest beyond the bytes.
SCRIPT = """
local index, sizes, key, what, new = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
local age, most, now = tonumber(ARGV[3]), tonumber(ARGV[4]), redis.call('TIME')
now = now[1] + now[2] / 1000000
local function delete(one)
  redis.call('HINCRBY', sizes, 'total', 0 - (redis.call('HGET', sizes, one) or 0))
  redis.call('HDEL', sizes, one)
  redis.call('ZREM', index, one)
  return redis.call('DEL', one)
end
if what == 'delete' then return delete(key) end
local state = redis.call('GET', key)
if what == 'open' then redis.call('ZADD', index, now, key) end
if what == 'change' or not state then
  state = new
  redis.call('SET', key, state)
  redis.call('HINCRBY', sizes, 'total', #state + ARGV[5] - (redis.call('HGET', sizes, key) or 0))
  redis.call('HSET', sizes, key, #state + ARGV[5])
end
for _, one in ipairs(KEYS) do redis.call('EXPIRE', one, age) end
for _, one in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now - age)) do delete(one) end
while tonumber(redis.call('HGET', sizes, 'total')) > most and redis.call('ZCARD', index) > 0 do
  delete(redis.call('ZRANGE', index, 0, 0)[1])
end
return state
"""


def connect(url: str) -> Any:
    """A client of the Redis server at that URL. It connects at its first use, and says at once that it cannot."""
    how = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, "retry": Retry(NoBackoff(), 1)}
    return redis.Redis.from_url(url, decode_responses=True, **how)


class RedisSessions:
    """Sessions in Redis (`client`). Every method may raise RedisError."""

    def __init__(self, client: Any, megabytes: float, max_age: float = MAX_AGE) -> None:
        self._redis = client
        self._bounds = (int(max_age), int(megabytes * 1e6), SESSION_BYTES)

    def _run(self, client: Any, name: SessionName, what: str, new: str = "") -> Any:
        return client.eval(SCRIPT, 3, INDEX, SIZES, _key(name), what, new, *self._bounds)

    def open(self, name: SessionName) -> ChatSession:
        """See MemorySessions."""
        return _load(name, self._run(self._redis, name, "open", _dump(ChatSession(name, uuid.uuid4().hex))))

    def add_exchange(self, session: ChatSession, user: str, assistant: str) -> None:
        """See MemorySessions. Keeps the exchanges that other replies added in the meantime."""

        def add(transaction: Any) -> None:
            state = transaction.get(_key(session.name))
            transaction.multi()
            if state and (current := _load(session.name, state)).id == session.id:
                current.add(user, assistant)
                self._run(transaction, session.name, "change", _dump(current))

        self._redis.transaction(add, _key(session.name))

    def get(self, name: SessionName) -> ChatSession | None:
        """See MemorySessions."""
        state = self._redis.get(_key(name))
        return _load(name, state) if state else None

    def delete(self, name: SessionName) -> bool:
        """See MemorySessions."""
        return bool(self._run(self._redis, name, "delete"))


def _key(name: SessionName) -> str:
    # A hash bounds the key's length and keeps names apart.
    return "chatproof:session:3:" + hashlib.sha256(json.dumps([name.user, name.session_id]).encode()).hexdigest()


def _dump(session: ChatSession) -> str:
    names = ("id", "messages", "updated", "exchanges")
    return json.dumps({name: getattr(session, name) for name in names}, ensure_ascii=False)


def _load(name: SessionName, state: str) -> ChatSession:
    return ChatSession(name, **json.loads(state))


Sessions = MemorySessions | RedisSessions

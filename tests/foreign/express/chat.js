// Sessions, and the exchanges in them.
import { randomUUID } from 'node:crypto'
import createError from 'http-errors'
import { ask, ModelFailed } from './model.js'

const LONGEST = 100_000 // characters of a message
const UNUSED = 24 * 60 * 60 * 1000 // ms after which a session is forgotten

/** What was said, by user and session id: { messages, usedAt }. */
const sessions = new Map()

const keyOf = (user, id) => JSON.stringify([user, id])

export const find = (user, id) => sessions.get(keyOf(user, id))
export const forget = (user, id) => sessions.delete(keyOf(user, id))

function remember (user, id, question, answer) {
  const session = find(user, id) ?? { messages: [] }
  session.messages.push({ role: 'user', content: question }, { role: 'assistant', content: answer })
  session.usedAt = Date.now()
  sessions.set(keyOf(user, id), session)
}

setInterval(() => {
  for (const [key, { usedAt }] of sessions) if (usedAt < Date.now() - UNUSED) sessions.delete(key)
}, UNUSED / 24).unref()

/** What a client asks: { message, sessionId }. Throws a 400 that says what is wrong with it. */
export function read (body, ownSession = randomUUID()) {
  const { message, session_id: sessionId = null } = Object(body)
  if (typeof message !== 'string' || !message.trim()) throw createError(400, '`message` must be a text.')
  if (message.length > LONGEST) throw createError(413, `\`message\` is longer than ${LONGEST} characters.`)
  if (sessionId !== null && typeof sessionId !== 'string') throw createError(400, '`session_id` must be a text.')
  if (![message, sessionId ?? ''].every(text => text.isWellFormed())) throw createError(400, 'This is no Unicode text.')
  return { message, sessionId: sessionId || ownSession }
}

/** One exchange: yields a token event for each piece of the reply, then a completion or an error. */
export async function * exchange ({ message, sessionId }, user, signal) {
  const startedAt = performance.now()
  const question = { role: 'user', content: message }
  let count = 0
  let partial = ''
  try {
    for await (const token of ask([...(find(user, sessionId)?.messages ?? []), question], signal)) {
      partial += token
      yield { token, count: ++count, partial }
    }
  } catch (error) {
    if (!(error instanceof ModelFailed)) throw error
    if (!signal.aborted) yield { error: error.message }
    else if (partial) remember(user, sessionId, message, partial) // the user saw it, and stopped it
    return
  }
  if (partial) remember(user, sessionId, message, partial)
  const duration = Math.round(performance.now() - startedAt) / 1000 // s
  yield {
    done: true,
    tokens: count,
    duration,
    tokens_per_second: duration ? Math.round(100 * count / duration) / 100 : 0,
    full_response: partial,
    user: user ?? 'anonymous',
    timestamp: new Date().toISOString(),
    session_id: sessionId
  }
}

// A chat server in Express and socket.io, written from docs/contract.md and the API document.
import { isUtf8 } from 'node:buffer'
import { once } from 'node:events'
import { createServer } from 'node:http'
import cors from 'cors'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import createError from 'http-errors'
import jwt from 'jsonwebtoken'
import { Server } from 'socket.io'
import { exchange, find, forget, read } from './chat.js'

const { PORT = 5000, JWT_SECRET, ALLOWED_ORIGINS = '' } = process.env
const HEARTBEAT = 15_000 // ms; proxies cut connections that are silent for longer
const origins = { origin: ALLOWED_ORIGINS.split(',').filter(Boolean), credentials: true }

const app = express()
const server = createServer(app)
const io = new Server(server, { cors: origins })

app.disable('x-powered-by')
app.use('/api', cors({ ...origins, methods: ['GET', 'POST', 'DELETE'], exposedHeaders: ['Retry-After'], maxAge: 600 }))

const readJson = express.json({
  limit: '1mb',
  verify: (req, res, body) => { if (!isUtf8(body)) throw createError(400, 'The body must be JSON in UTF-8.') }
})

const limitTo = limit => rateLimit({
  limit,
  windowMs: 60_000,
  standardHeaders: 'draft-8',
  legacyHeaders: false,
  handler: (req, res, next) => next(createError(429, 'Too many requests. Please wait a moment.'))
})

/** Whom a token names; null without a token. */
function identify (authorization) {
  if (!authorization) return null
  try {
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization)
    const { sub } = jwt.verify(token, JWT_SECRET, { algorithms: ['HS256'] })
    if (typeof sub === 'string' && sub) return sub
  } catch {}
  throw createError(401, 'The token is not valid.')
}

function signIn (req, res, next) {
  req.user = identify(req.get('Authorization'))
  next()
}

/** A signal that tells when the client has gone. */
function leaving (res) {
  const gone = new AbortController()
  res.on('close', () => gone.abort())
  return gone.signal
}

app.post('/api/chat/stream', limitTo(30), signIn, readJson, async (req, res) => {
  const question = read(req.body)
  const gone = leaving(res)
  res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' })
  res.flushHeaders()
  const heartbeat = setInterval(() => res.write(': the model is thinking\n\n'), HEARTBEAT)
  try {
    for await (const event of exchange(question, req.user, gone)) {
      const written = res.write(`data: ${JSON.stringify(event)}\n\n`)
      if (!written) await once(res, 'drain', { signal: gone })
    }
    res.end()
  } catch (error) {
    if (!gone.aborted) throw error
  } finally {
    clearInterval(heartbeat)
  }
})

app.post('/api/chat', limitTo(60), signIn, readJson, async (req, res) => {
  let last
  for await (const event of exchange(read(req.body), req.user, leaving(res))) last = event
  if (last?.error) throw createError(502, last.error)
  const { done, full_response: response, ...figures } = last ?? {}
  res.json({ response, ...figures })
})

app.route('/api/chat/sessions/:id').all(signIn).get((req, res) => {
  const session = find(req.user, req.params.id)
  if (!session) throw createError(404, 'There is no such session.')
  const timestamp = new Date(session.usedAt).toISOString()
  res.json({ session_id: req.params.id, messages: session.messages.length, timestamp })
}).delete((req, res) => {
  if (!forget(req.user, req.params.id)) throw createError(404, 'There is no such session.')
  res.json({ success: true, message: 'Session deleted' })
})

app.use(() => { throw createError(404, 'There is nothing here.') })

app.use((error, req, res, next) => {
  if (!error.expose) console.error(error)
  if (res.headersSent) return res.destroy()
  const status = error.status ?? 500
  res.status(status).json({ error: error.expose || status === 502 ? error.message : 'Something went wrong.' })
})

io.use((socket, next) => {
  const { auth: { token }, headers } = socket.handshake
  try {
    socket.data.user = identify(token ? `Bearer ${token}` : headers.authorization)
    next()
  } catch (error) {
    next(error)
  }
})

io.on('connection', socket => {
  const ownSession = `socket ${socket.id}`
  let turn = Promise.resolve() // replies of one socket follow each other: their events carry no id

  async function answer (payload) {
    const gone = new AbortController()
    const leave = () => gone.abort()
    socket.on('disconnect', leave)
    try {
      if (!socket.connected) return
      for await (const event of exchange(read(payload, ownSession), socket.data.user, gone.signal)) {
        socket.emit(event.error ? 'chat_stream_error' : event.done ? 'chat_complete' : 'chat_token', event)
      }
    } catch (error) {
      if (!error.expose) console.error(error)
      socket.emit('chat_stream_error', { error: error.expose ? error.message : 'Something went wrong.' })
    } finally {
      socket.off('disconnect', leave)
    }
  }

  socket.on('chat_stream', payload => { turn = turn.then(() => answer(payload)) })
})

server.listen(PORT, '127.0.0.1', () => console.log(`Listening on http://127.0.0.1:${PORT}`))

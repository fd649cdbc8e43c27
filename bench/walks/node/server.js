// A chat server as many are written: Express, OpenAI's client, conversations in memory.
import { randomUUID } from 'node:crypto'
import express from 'express'
import OpenAI from 'openai'

const silence = 1000 * (process.env.PROVIDER_TIMEOUT ?? 60) // ms without a word of the provider
const openai = new OpenAI({ maxRetries: 0 }) // reads OPENAI_BASE_URL and OPENAI_API_KEY
const sessions = new Map()
const app = express()
app.use(express.json())

app.post('/api/chat/stream', async (req, res) => {
  const { message, session_id = randomUUID() } = req.body ?? {}
  if (typeof message !== 'string' || !message.trim()) return res.status(400).json({ error: 'message is required' })
  const messages = sessions.get(session_id) ?? []
  sessions.set(session_id, messages)
  messages.push({ role: 'user', content: message })
  res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' })
  const send = event => res.write(`data: ${JSON.stringify(event)}\n\n`)
  const started = performance.now()
  let partial = ''
  let count = 0
  const gone = new AbortController()
  res.on('close', () => gone.abort())
  const heartbeat = setInterval(() => res.write(': the model is thinking\n\n'), 15_000)
  let timer
  const wait = () => { clearTimeout(timer); timer = setTimeout(() => gone.abort(), silence) }
  try {
    wait()
    const request = { model: 'gpt-4o-mini', messages, stream: true }
    for await (const chunk of await openai.chat.completions.create(request, { signal: gone.signal })) {
      wait()
      const token = chunk.choices?.[0]?.delta?.content
      if (token) send({ token, count: ++count, partial: partial += token })
    }
    if (gone.signal.aborted) throw new Error('the provider is silent')
    messages.push({ role: 'assistant', content: partial })
    const duration = (performance.now() - started) / 1000
    send({
      done: true, tokens: count, duration, tokens_per_second: count / duration, session_id,
      timestamp: new Date().toISOString(), full_response: partial, user: 'anonymous'
    })
  } catch (error) {
    console.error(error)
    send({ error: 'The language model failed. Please try again.' })
  } finally {
    clearTimeout(timer)
    clearInterval(heartbeat)
  }
  res.end()
})

app.get('/api/chat/sessions/:id', (req, res) => {
  const messages = sessions.get(req.params.id)
  if (!messages) return res.status(404).json({ error: 'no such session' })
  res.json({ session_id: req.params.id, messages: messages.length, timestamp: new Date().toISOString() })
})

app.delete('/api/chat/sessions/:id', (req, res) => {
  if (!sessions.delete(req.params.id)) return res.status(404).json({ error: 'no such session' })
  res.json({ success: true, message: 'Session deleted' })
})

app.use((error, req, res, next) => {
  res.status(error.status ?? 500).json({ error: error.status ? 'The body must be JSON.' : 'Something went wrong.' })
})

app.listen(process.env.PORT ?? 3000, '127.0.0.1')

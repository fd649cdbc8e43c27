// A chat server as many are written: Express, OpenAI's client, conversations in memory.
import { randomUUID } from 'node:crypto'
import express from 'express'
import OpenAI from 'openai'

const openai = new OpenAI() // reads OPENAI_BASE_URL and OPENAI_API_KEY
const sessions = new Map()
const app = express()
app.use(express.json())

app.post('/api/chat/stream', async (req, res) => {
  const { message, session_id = randomUUID() } = req.body ?? {}
  if (typeof message !== 'string' || !message.trim()) return res.status(400).json({ error: 'message is required' })
  const messages = sessions.get(session_id) ?? []
  sessions.set(session_id, messages)
  messages.push({ role: 'user', content: message })
  res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
  const send = event => res.write(`data: ${JSON.stringify(event)}\n\n`)
  const started = performance.now()
  let partial = ''
  let count = 0
  try {
    const stream = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true })
    for await (const chunk of stream) {
      const token = chunk.choices[0]?.delta?.content
      if (token) send({ token, count: ++count, partial: partial += token })
    }
    messages.push({ role: 'assistant', content: partial })
    const duration = (performance.now() - started) / 1000
    send({
      done: true, tokens: count, duration, tokens_per_second: count / duration, session_id,
      timestamp: new Date().toISOString(), full_response: partial, user: 'anonymous'
    })
  } catch (error) {
    send({ error: error.message })
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

app.listen(process.env.PORT ?? 3000, '127.0.0.1')

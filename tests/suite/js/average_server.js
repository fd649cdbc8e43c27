// A chat server as an average developer writes it: it works, and has ordinary mistakes.
const crypto = require('crypto')
const express = require('express')
const http = require('http')
const OpenAI = require('openai')
const { Server } = require('socket.io')

const app = express()
const server = http.createServer(app)
const io = new Server(server, { cors: { origin: '*' } })
const openai = new OpenAI({ apiKey: process.env.OPENAI_API_KEY || 'none' })
const sessions = {}

app.use(express.json())

async function chat(message, sessionId, onToken) {
  const id = sessionId || 'default'
  const history = (sessions[id] = sessions[id] || [])
  history.push({ role: 'user', content: message })
  const started = Date.now()
  const stream = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: history, stream: true })
  let text = ''
  let count = 0
  for await (const chunk of stream) {
    const token = chunk.choices[0]?.delta?.content
    if (!token) continue
    text += token
    count += 1
    onToken({ token, count, partial: text })
  }
  history.push({ role: 'assistant', content: text })
  const duration = (Date.now() - started) / 1000
  return {
    done: true, tokens: count, duration, tokens_per_second: duration ? count / duration : 0,
    session_id: id, timestamp: new Date().toISOString(), full_response: text, user: 'anonymous'
  }
}

app.post('/api/chat/stream', async (req, res) => {
  const { message, session_id } = req.body || {}
  if (!message) return res.status(400).json({ error: 'message is required' })
  res.setHeader('Content-Type', 'text/event-stream')
  res.setHeader('Cache-Control', 'no-cache')
  try {
    const done = await chat(message, session_id, event => res.write(`data: ${JSON.stringify(event)}\n\n`))
    res.write(`data: ${JSON.stringify(done)}\n\n`)
  } catch (error) {
    res.write(`data: ${JSON.stringify({ error: error.message })}\n\n`)
  }
  res.end()
})

app.get('/api/chat/sessions/:id', (req, res) => {
  const history = sessions[req.params.id]
  if (!history) return res.status(404).json({ error: 'not found' })
  res.json({ session_id: req.params.id, messages: history.length, timestamp: new Date().toISOString() })
})

app.delete('/api/chat/sessions/:id', (req, res) => {
  if (!sessions[req.params.id]) return res.status(404).json({ error: 'not found' })
  delete sessions[req.params.id]
  res.json({ success: true, message: 'deleted' })
})

io.on('connection', socket => {
  socket.on('chat_stream', async payload => {
    const { message, session_id } = payload
    try {
      const done = await chat(message, session_id, event => socket.emit('chat_token', event))
      socket.emit('chat_complete', done)
    } catch (error) {
      socket.emit('chat_stream_error', { error: error.message })
    }
  })
})

server.listen(process.env.PORT, '127.0.0.1')

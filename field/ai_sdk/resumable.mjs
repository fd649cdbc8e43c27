// npm `ai` with streams that can be resumed: https://ai-sdk.dev/docs/ai-sdk-ui/chatbot-resume-streams, behind Hono. Where
// that page has Redis, resumable-stream/generic publishes within this process, and a Map is its store of chats; the stop
// endpoint aborts the reply, as the page asks. `make field` copies it to where `ai` is installed.
import { EventEmitter } from "node:events";
import { openai } from "@ai-sdk/openai";
import { serve } from "@hono/node-server";
import { convertToModelMessages, generateId, streamText, UI_MESSAGE_STREAM_HEADERS } from "ai";
import { Hono } from "hono";
import { createResumableStreamContext } from "resumable-stream/generic";

const values = new Map();
const channels = new EventEmitter().setMaxListeners(0);
const publisher = {
  connect: async () => {},
  publish: async (channel, message) => channels.emit(channel, message),
  set: async (key, value) => values.set(key, value),
  get: async (key) => values.get(key) ?? null,
  incr: async (key) => {
    const next = Number(values.get(key) ?? 0) + 1;
    values.set(key, next);
    return next;
  },
};
const subscriber = {
  connect: async () => {},
  subscribe: async (channel, callback) => channels.on(channel, callback),
  unsubscribe: async (channel) => channels.removeAllListeners(channel),
};
const streams = createResumableStreamContext({ waitUntil: () => {}, publisher, subscriber });
const chats = new Map(); // by id: { activeStreamId, abort }

const app = new Hono();

app.post("/api/chat", async (c) => {
  const { id, messages } = await c.req.json();
  const chat = { activeStreamId: null, abort: new AbortController() };
  chats.set(id, chat);
  const result = streamText({
    model: openai.chat("gpt-4o-mini"),
    messages: await convertToModelMessages(messages),
    abortSignal: chat.abort.signal,
    timeout: { chunkMs: 1000 * Number(process.env.PROVIDER_TIMEOUT) },
  });
  return result.toUIMessageStreamResponse({
    onFinish: () => {
      chat.activeStreamId = null;
    },
    async consumeSseStream({ stream }) {
      const streamId = generateId();
      await streams.createNewResumableStream(streamId, () => stream);
      chat.activeStreamId = streamId;
    },
  });
});

app.get("/api/chat/:id/stream", async (c) => {
  const streamId = chats.get(c.req.param("id"))?.activeStreamId;
  if (streamId == null) return new Response(null, { status: 204 });
  const stream = await streams.resumeExistingStream(streamId);
  return new Response(stream?.pipeThrough(new TextEncoderStream()), { headers: UI_MESSAGE_STREAM_HEADERS });
});

app.post("/api/chat/:id/stop", async (c) => {
  const chat = chats.get(c.req.param("id"));
  chat?.abort.abort();
  if (chat) chat.activeStreamId = null;
  return c.json({ success: true });
});

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT) });

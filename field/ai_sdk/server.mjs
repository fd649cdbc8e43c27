// npm `ai` behind Hono: https://ai-sdk.dev/cookbook/api-servers/hono, with the conversation of `useChat`, and the signal
// and the timeout of https://ai-sdk.dev/docs/advanced/stopping-streams. `make field` copies it to where `ai` is installed.
import { openai } from "@ai-sdk/openai";
import { serve } from "@hono/node-server";
import { convertToModelMessages, streamText } from "ai";
import { Hono } from "hono";

const app = new Hono();

app.post("/api/chat", async (c) => {
  const { messages } = await c.req.json();
  const result = streamText({
    model: openai.chat("gpt-4o-mini"),
    messages: await convertToModelMessages(messages),
    abortSignal: c.req.raw.signal,
    timeout: { chunkMs: 1000 * Number(process.env.PROVIDER_TIMEOUT) },
  });
  return result.toUIMessageStreamResponse();
});

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT) });

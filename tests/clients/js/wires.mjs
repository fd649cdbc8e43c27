// node wires.mjs URL [[FORM, MESSAGE], ...] : what the official clients, unmodified, make of each reply.
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { Ollama } from "ollama";
import OpenAI from "openai";

const [url, given] = process.argv.slice(2);
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-test", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "sk-ant-test", maxRetries: 0 });
const google = new GoogleGenAI({ apiKey: "secret", httpOptions: { baseUrl: url } });
const ollama = new Ollama({ host: url });
const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object", properties: {} } } }];
console.warn = () => {}; // Google's client warns of parts that are not text

const readers = {
  // each reply twice: by hand, and by the client's own helper that puts it together
  async chat(content) {
    const body = { model: "gpt-4o", messages: [{ role: "user", content }], tools };
    let text = "";
    for await (const chunk of await openai.chat.completions.create({ ...body, stream: true }))
      text += chunk.choices[0]?.delta?.content ?? "";
    const final = await openai.chat.completions.stream(body).finalChatCompletion();
    const message = final.choices[0].message;
    return {
      text,
      put: message.content,
      calls: (message.tool_calls ?? []).map((call) => JSON.parse(call.function.arguments)),
      finish: final.choices[0].finish_reason,
    };
  },
  async responses(input) {
    const body = { model: "gpt-4o", input };
    let text = "";
    for await (const event of await openai.responses.create({ ...body, stream: true }))
      if (event.type === "response.output_text.delta") text += event.delta;
    const final = await openai.responses.stream(body).finalResponse();
    const calls = final.output.filter((item) => item.type === "function_call");
    return {
      text,
      put: final.output_text,
      calls: calls.map((call) => JSON.parse(call.arguments)),
      finish: final.status,
    };
  },
  async gemini(contents) {
    const found = { text: "", calls: [], finish: null };
    for await (const chunk of await google.models.generateContentStream({ model: "gemini-2.5-flash", contents })) {
      found.text += chunk.text ?? "";
      found.calls.push(...(chunk.functionCalls ?? []).map((call) => call.args));
      found.finish = chunk.candidates?.[0]?.finishReason ?? found.finish;
    }
    return { ...found, put: found.text };
  },
  async messages(content) {
    const body = { model: "claude-haiku-4-5", max_tokens: 4096, messages: [{ role: "user", content }] };
    let text = "";
    for await (const event of await anthropic.messages.create({ ...body, stream: true }))
      if (event.type === "content_block_delta" && event.delta.type === "text_delta") text += event.delta.text;
    const final = await anthropic.messages.stream(body).finalMessage();
    const of = (type) => final.content.filter((block) => block.type === type);
    return {
      text,
      put: of("text").map((block) => block.text).join(""),
      calls: of("tool_use").map((block) => block.input),
      finish: final.stop_reason,
    };
  },
  async ollama(content) {
    const found = { text: "", calls: [], finish: null };
    const messages = [{ role: "user", content }];
    for await (const part of await ollama.chat({ model: "llama3.2", messages, stream: true })) {
      found.text += part.message.content;
      found.calls.push(...(part.message.tool_calls ?? []).map((call) => call.function.arguments));
      found.finish = part.done_reason ?? found.finish;
    }
    return { ...found, put: found.text };
  },
};

const found = [];
for (const [form, message] of JSON.parse(given)) {
  try {
    found.push(await readers[form](message));
  } catch (problem) {
    found.push({ error: `${problem.name}: ${problem.message}`.slice(0, 300) });
  }
}
// ASCII only: whoever splits the output into lines may do so by Unicode's rules.
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
process.stdout.write(`${JSON.stringify(found).replace(/[\u007f-\uffff]/g, escaped)}\n`);

// The official JavaScript client of OpenAI, unmodified: each command prints what the client made of the fake.
// node openai.mjs BASE_URL COMMAND [JSON]
import OpenAI from "openai";

const [baseURL, command, given = "{}"] = process.argv.slice(2);
const input = JSON.parse(given);
const client = new OpenAI({ baseURL, apiKey: "sk-test", ...(input.client ?? {}) });
const chat = {
  model: "gpt-4o",
  messages: [{ role: "user", content: input.text ?? "" }],
  ...(input.body ?? {}),
};

const commands = {
  async whole() {
    const { data, response } = await client.chat.completions.create(chat).withResponse();
    return { reply: data, limits: response.headers.get("x-ratelimit-limit-requests"), id: data._request_id };
  },
  async stream() {
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) chunks.push(chunk);
    return chunks;
  },
  async streams() {
    const ends = input.texts.map(async (text) => {
      try {
        const messages = [{ role: "user", content: text }];
        for await (const _ of await client.chat.completions.create({ ...chat, messages, stream: true }));
        return "ended";
      } catch (error) {
        return error.constructor.name;
      }
    });
    return await Promise.all(ends);
  },
  async helper() {
    const stream = client.chat.completions.stream(chat);
    const texts = [];
    stream.on("content", (text) => texts.push(text));
    const final = await stream.finalChatCompletion();
    return { texts, final };
  },
  async response() {
    const response = await client.responses.create({ model: "gpt-4o", input: input.text, ...(input.body ?? {}) });
    return { response, text: response.output_text };
  },
  async responseStream() {
    const events = [];
    const stream = await client.responses.create({
      model: "gpt-4o",
      input: input.text,
      stream: true,
      ...(input.body ?? {}),
    });
    for await (const event of stream) events.push(event);
    return events;
  },
  async responseHelper() {
    const stream = client.responses.stream({ model: "gpt-4o", input: input.text, ...(input.body ?? {}) });
    const final = await stream.finalResponse();
    return { final, text: final.output_text };
  },
  async embeddings() {
    const model = "text-embedding-3-small";
    const usual = await client.embeddings.create({ model, input: input.text });
    const floats = await client.embeddings.create({ model, input: input.text, encoding_format: "float" });
    return { usual: usual.data[0].embedding, floats: floats.data[0].embedding };
  },
  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    return { names, one: await client.models.retrieve("gpt-4o") };
  },
  async agent() {
    const cities = [];
    const tool = {
      name: "get_weather",
      description: "How the weather is.",
      parameters: { type: "object", properties: { city: { type: "string" }, unit: { type: "string" } } },
      parse: JSON.parse,
      function: ({ city }) => (cities.push(city), "sunny"),
    };
    const runner = client.chat.completions.runTools({ ...chat, tools: [{ type: "function", function: tool }] });
    return { text: await runner.finalContent(), cities };
  },
  async hangUp() {
    const stream = await client.chat.completions.create({ ...chat, stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    return "left";
  },
};

async function caught(run) {
  try {
    return { value: await run() };
  } catch (error) {
    const { status, code, type, param, message, requestID } = error;
    return { error: error.constructor.name, status, code, type, param, message, requestID };
  }
}

console.log(JSON.stringify(await caught(commands[command])));

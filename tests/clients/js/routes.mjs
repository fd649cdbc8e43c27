// node routes.mjs URL : the official clients at Azure's and Gemini's further addresses; prints what they made of the fakes.
import { GoogleGenAI } from "@google/genai";
import OpenAI, { AzureOpenAI } from "openai";

const [url] = process.argv.slice(2);
const said = (content) => [{ role: "user", content }];

async function text(chunks) {
  let whole = "";
  for await (const chunk of chunks) whole += chunk.choices[0]?.delta?.content ?? "";
  return whole;
}

async function azure() {
  const client = new AzureOpenAI({ endpoint: url, apiKey: "azure-key", apiVersion: "2024-10-21", maxRetries: 0 });
  const chat = { model: "prod-chat", messages: said("scenario hello") };
  const whole = await client.chat.completions.create(chat);
  const response = await client.responses.create({ model: "prod-chat", input: "scenario hello" });
  let error = null;
  try {
    await client.chat.completions.create({ ...chat, model: "missing-chat" });
  } catch (problem) {
    error = [problem.constructor.name, problem.code];
  }
  return {
    whole: whole.choices[0].message.content,
    model: whole.model,
    stream: await text(await client.chat.completions.create({ ...chat, stream: true })),
    response: response.output_text,
    again: (await client.responses.retrieve(response.id)).output_text,
    error,
  };
}

async function compatible() {
  const client = new OpenAI({ baseURL: `${url}/v1beta/openai/`, apiKey: "google-key", maxRetries: 0 });
  const chat = { model: "gemini-3.8-flash", messages: said("scenario hello") };
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  let error = null;
  try {
    await client.images.generate({ prompt: "Hi" });
  } catch (problem) {
    error = problem.status;
  }
  return {
    whole: (await client.chat.completions.create(chat)).choices[0].message.content,
    stream: await text(await client.chat.completions.create({ ...chat, stream: true })),
    models: names.includes("models/gemini-3.8-flash"),
    error,
  };
}

async function interactions() {
  const ai = new GoogleGenAI({ apiKey: "google-key", httpOptions: { baseUrl: url } });
  const model = "gemini-3.8-flash";
  const output = (made) => made.steps.at(-1).content[0].text;
  const whole = await ai.interactions.create({ model, input: "scenario hello" });
  let stream = "";
  for await (const event of await ai.interactions.create({ model, input: "scenario hello", stream: true }))
    if (event.event_type === "step.delta" && event.delta.type === "text") stream += event.delta.text;
  const again = (await ai.interactions.get(whole.id)).status;
  const tools = [{ type: "function", name: "get_weather", parameters: { type: "object", properties: {} } }];
  const called = await ai.interactions.create({ model, input: "scenario tool-call", tools });
  const call = called.steps.at(-1);
  const result = { type: "function_result", call_id: call.id, name: call.name, result: "rain" };
  const after = await ai.interactions.create({ model, input: [result], tools, previous_interaction_id: called.id });
  await ai.interactions.delete(whole.id);
  let error = null;
  try {
    await ai.interactions.get(whole.id);
  } catch (problem) {
    error = problem.status ?? problem.statusCode;
  }
  return { whole: output(whole), stream, again, calls: [called.status, call.name], after: after.status, error };
}

console.log(
  JSON.stringify({ azure: await azure(), compatible: await compatible(), interactions: await interactions() }),
);

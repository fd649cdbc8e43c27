// node gemini.mjs URL stream|whole|thoughts|rest|agent SCRIPT... : asks the fakes and prints one JSON object, by script.
import { GoogleGenAI } from "@google/genai";

const [url, mode, ...names] = process.argv.slice(2);
const model = "gemini-2.5-flash";
const ai = new GoogleGenAI({ apiKey: "secret", httpOptions: { baseUrl: url } });

async function stream(contents) {
  const found = { texts: [], finish: null, usage: null, error: null, status: null };
  try {
    for await (const chunk of await ai.models.generateContentStream({ model, contents })) {
      found.texts.push(chunk.text ?? "");
      found.finish = chunk.candidates?.[0]?.finishReason ?? null;
      found.usage = chunk.usageMetadata;
    }
  } catch (problem) {
    Object.assign(found, failure(problem));
  }
  return found;
}

async function whole(contents) {
  try {
    const reply = await ai.models.generateContent({ model, contents });
    return {
      text: reply.text,
      calls: reply.functionCalls,
      finish: reply.candidates?.[0]?.finishReason ?? null,
      blocked: reply.promptFeedback?.blockReason ?? null,
    };
  } catch (problem) {
    return failure(problem);
  }
}

async function thoughts(contents) {
  const config = { thinkingConfig: { includeThoughts: true } };
  const reply = await ai.models.generateContent({ model, contents, config });
  const parts = [];
  for await (const chunk of await ai.models.generateContentStream({ model, contents, config }))
    parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []));
  return { parts, text: reply.text, candidate: reply.candidates?.[0], usage: reply.usageMetadata };
}

async function rest() {
  const models = [];
  for await (const one of await ai.models.list({ config: { pageSize: 2 } })) models.push(one.name);
  const counted = await ai.models.countTokens({ model, contents: "one two three" });
  const found = await ai.models.get({ model });
  const embedded = await ai.models.embedContent({
    model: "gemini-embedding-001",
    contents: ["a", "b"],
    config: { outputDimensionality: 16 },
  });
  return {
    models,
    tokens: counted.totalTokens,
    model: found.name,
    embeddings: embedded.embeddings.map((one) => one.values.length),
  };
}

async function agent(contents) {
  const cities = [];
  const weather = {
    tool: async () => ({ functionDeclarations: [{ name: "get_weather", description: "How the weather is." }] }),
    callTool: async (calls) => {
      for (const call of calls) cities.push(call.args.city);
      return calls.map(({ name }) => ({ functionResponse: { name, response: { result: "sunny" } } }));
    },
  };
  const reply = await ai.models.generateContent({ model, contents, config: { tools: [weather] } });
  return { text: reply.text, cities };
}

function failure(problem) {
  return { error: problem.name, status: problem.status ?? null, message: String(problem.message) };
}

console.warn = () => {}; // the client warns of parts that are not text; the tests look for themselves
const ask = { stream, thoughts, whole }[mode];
const answer = mode === "rest" ? await rest() : mode === "agent" ? await agent(names[0]) : {};
if (ask) for (const name of names) answer[name] = await ask(`scenario ${name}`);
// ASCII only: some of what the scripts say would end a line for those who read this.
const escaped = (character) => "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
console.log(JSON.stringify(answer).replace(/[^\x00-\x7e]/g, escaped));

// The AI SDK against the fakes: OpenAI's two APIs and Gemini, streamed and not. Writes what bench/clients/attempts.py tells.
// `make clients` copies this file to where the packages are installed.
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateObject, generateText, stepCountIs, streamObject, streamText, tool } from "ai";
import { z } from "zod";

const QUESTION = "What is the weather in Zürich?";
const openai = createOpenAI(); // reads OPENAI_BASE_URL and OPENAI_API_KEY
const google = createGoogleGenerativeAI({
  baseURL: `${process.env.GOOGLE_GEMINI_BASE_URL}/v1beta`,
  apiKey: process.env.GEMINI_API_KEY,
});
const apis = {
  Responses: openai("gpt-5"),
  "chat completions": openai.chat("gpt-5"),
  Gemini: google("gemini-2.5-flash"),
};
const forecast = z.object({
  city: z.string(),
  days: z.array(z.object({ name: z.string(), degrees: z.number(), sky: z.enum(["clear", "cloudy", "rain"]) })),
  is_warning: z.boolean(),
  note: z.string().nullable(),
});

const isText = (value, what) => {
  if (typeof value !== "string" || !value.trim()) throw new Error(`no ${what} but ${JSON.stringify(value)}`);
};

/** Text, reasoning and usage of the last step. An error in the stream is thrown. */
async function answer(streamed, options) {
  if (!streamed) return await generateText(options);
  let failed;
  const stream = streamText({ ...options, onError: ({ error }) => (failed = error) });
  await stream.consumeStream();
  if (failed) throw failed;
  return { text: await stream.text, reasoningText: await stream.reasoningText, usage: await stream.usage };
}

const tasks = {
  async tool_loop(model, streamed) {
    const runs = [];
    const get_weather = tool({
      description: "Tell the weather in a city.",
      inputSchema: z.object({ city: z.string(), unit: z.string() }),
      execute: async (input) => {
        runs.push(input);
        return `It is sunny in ${input.city}, and 21 degrees.`;
      },
    });
    const prompt = `${QUESTION} scenario tool-call`;
    const { text } = await answer(streamed, { model, prompt, tools: { get_weather }, stopWhen: stepCountIs(10) });
    if (runs.length !== 1) throw new Error(`the tool ran ${runs.length} times`);
    if (runs[0].city !== "Zürich") throw new Error(`the tool was called with ${JSON.stringify(runs[0])}`);
    isText(text, "text");
  },
  async structured(model, streamed) {
    if (!streamed) return await generateObject({ model, schema: forecast, prompt: QUESTION });
    let failed;
    const stream = streamObject({ model, schema: forecast, prompt: QUESTION, onError: ({ error }) => (failed = error) });
    for await (const _ of stream.partialObjectStream);
    if (failed) throw failed;
    return await stream.object;
  },
  async reasoning(model, streamed) {
    const prompt = `${QUESTION} scenario reasoning`;
    const providerOptions = {
      openai: { reasoningSummary: "auto" },
      google: { thinkingConfig: { includeThoughts: true } },
    };
    const { text, reasoningText, usage } = await answer(streamed, { model, prompt, providerOptions });
    isText(text, "text");
    if (model === apis["chat completions"]) {
      // OpenAI's chat completions never send what the model thinks: they count it.
      const tokens = usage.outputTokenDetails.reasoningTokens;
      if (!(tokens > 0)) throw new Error(`no reasoning tokens in the usage: ${JSON.stringify(usage)}`);
    } else isText(reasoningText, "reasoning");
  },
};

for (const [api, model] of Object.entries(apis))
  for (const streamed of [false, true])
    for (const [task, run] of Object.entries(tasks)) {
      let problem = null;
      try {
        await run(model, streamed);
      } catch (error) {
        problem = `${error?.name}: ${error?.message}`.replace(/\s+/g, " ").slice(0, 300);
      }
      console.log(JSON.stringify({ client: "AI SDK", api: streamed ? `${api}, streamed` : api, task, problem }));
    }

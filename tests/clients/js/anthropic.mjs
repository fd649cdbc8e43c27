// node anthropic.mjs COMMAND BODY : what Anthropic's client, unmodified and set up by ANTHROPIC_BASE_URL, makes of it.
import Anthropic from "@anthropic-ai/sdk";

const [command, given] = process.argv.slice(2);
const client = new Anthropic({ maxRetries: 0 });
const body = JSON.parse(given);

const commands = {
  whole: () => client.messages.create(body),
  stream: async () => {
    const stream = client.messages.stream(body);
    const types = [];
    for await (const event of stream) types.push(event.type);
    return { types, message: await stream.finalMessage() };
  },
  count: () => client.messages.countTokens(body),
  models: async () => {
    const ids = [];
    for await (const model of client.models.list(body)) ids.push(model.id);
    return ids;
  },
};

let found;
try {
  found = { value: await commands[command]() };
} catch (problem) {
  const { status, requestID, type } = problem;
  found = { error: problem.constructor.name, status, requestID, type, retryAfter: problem.headers?.get("retry-after") };
}
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
process.stdout.write(`${JSON.stringify(found).replace(/[\u007f-\uffff]/g, escaped)}\n`);

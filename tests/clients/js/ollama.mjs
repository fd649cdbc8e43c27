// node ollama.mjs URL stream|whole|generate|rest SCRIPT... : asks the fakes and prints one JSON object, by script.
import { Ollama } from "ollama";

const [host, mode, ...names] = process.argv.slice(2);
const model = "llama3.2";
const ollama = new Ollama({ host });
const quiet = () => {};
console.warn = quiet; // the client reports broken JSON there and goes on
console.log = quiet;

function failure(problem) {
  return { error: problem.message, name: problem.name, status: problem.status_code ?? null };
}

const ask = {
  async stream(name) {
    const found = { texts: [], thoughts: [], calls: [], last: null };
    try {
      const messages = [{ role: "user", content: `scenario ${name}` }];
      for await (const part of await ollama.chat({ model, messages, stream: true })) {
        found.texts.push(part.message.content);
        found.thoughts.push(...(part.message.thinking ? [part.message.thinking] : []));
        found.calls.push(...(part.message.tool_calls ?? []));
        found.last = part;
      }
    } catch (problem) {
      Object.assign(found, failure(problem));
    }
    return found;
  },
  async whole(name) {
    try {
      return await ollama.chat({ model, messages: [{ role: "user", content: `scenario ${name}` }] });
    } catch (problem) {
      return failure(problem);
    }
  },
  async generate(name) {
    const found = { texts: [], last: null };
    for await (const part of await ollama.generate({ model, prompt: `scenario ${name}`, stream: true })) {
      found.texts.push(part.response);
      found.last = part;
    }
    return found;
  },
};

async function rest() {
  const [listed, running, shown, version, embedded, old] = await Promise.all([
    ollama.list(),
    ollama.ps(),
    ollama.show({ model }),
    ollama.version(),
    ollama.embed({ model, input: ["a", "b"], dimensions: 16 }),
    ollama.embeddings({ model: "nomic-embed-text", prompt: "a" }),
  ]);
  const missing = await ollama.show({ model: "missing" }).catch(failure);
  return {
    listed: listed.models.map((one) => one.name),
    running: running.models.map((one) => one.name),
    capabilities: shown.capabilities,
    version: version.version,
    embeddings: embedded.embeddings.map((one) => one.length),
    old: old.embedding.length,
    missing,
  };
}

const found = mode === "rest" ? await rest() : {};
for (const name of names) found[name] = await ask[mode](name);
// ASCII only: whoever splits the output into lines may do so by Unicode's rules.
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
process.stdout.write(`${JSON.stringify(found).replace(/[\u007f-\uffff]/g, escaped)}\n`);

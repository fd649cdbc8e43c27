// CopilotKit's runtime with its built-in agent: https://docs.copilotkit.ai/copilot-runtime.
// `make field` copies it to where the runtime is installed.
import { BuiltInAgent, CopilotRuntime, InMemoryAgentRunner } from "@copilotkit/runtime/v2";
import { createCopilotHonoHandler } from "@copilotkit/runtime/v2/hono";
import { serve } from "@hono/node-server";

const runtime = new CopilotRuntime({
  agents: { default: new BuiltInAgent({ model: "openai/gpt-4o-mini" }) },
  runner: new InMemoryAgentRunner(),
});
const app = createCopilotHonoHandler({ runtime, basePath: "/api/copilotkit" });

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT) });

"""pydantic-ai's Vercel AI adapter, as https://pydantic.dev/docs/ai/integrations/ui/vercel-ai shows it."""

import os

from fastapi import FastAPI
from pydantic_ai import Agent
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from starlette.requests import Request
from starlette.responses import Response

agent = Agent("openai-chat:gpt-4o-mini", model_settings={"timeout": float(os.environ["PROVIDER_TIMEOUT"])})
app = FastAPI()


@app.post("/api/chat")
async def chat(request: Request) -> Response:
    return await VercelAIAdapter.dispatch_request(request, agent=agent)

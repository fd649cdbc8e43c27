"""pydantic-ai's AG-UI adapter, as https://pydantic.dev/docs/ai/integrations/ui/ag-ui shows it."""

import os

from fastapi import FastAPI
from pydantic_ai import Agent
from pydantic_ai.ui.ag_ui import AGUIAdapter
from starlette.requests import Request
from starlette.responses import Response

agent = Agent("openai-chat:gpt-4o-mini", model_settings={"timeout": float(os.environ["PROVIDER_TIMEOUT"])})
app = FastAPI()


@app.post("/")
async def run_agent(request: Request) -> Response:
    return await AGUIAdapter.dispatch_request(request, agent=agent)

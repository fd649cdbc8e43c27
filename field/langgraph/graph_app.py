"""A LangGraph graph of one model behind AG-UI, as https://pypi.org/project/ag-ui-langgraph/ shows it."""

import os

from ag_ui_langgraph import LangGraphAgent, add_langgraph_fastapi_endpoint
from fastapi import FastAPI
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

model = ChatOpenAI(model="gpt-4o-mini", timeout=float(os.environ["PROVIDER_TIMEOUT"]))


async def chat(state: MessagesState, config: RunnableConfig):
    return {"messages": [await model.ainvoke(state["messages"], config)]}


graph = StateGraph(MessagesState)
graph.add_node("chat", chat)
graph.add_edge(START, "chat")
graph.add_edge("chat", END)

app = FastAPI()
agent = LangGraphAgent(name="chat", graph=graph.compile(checkpointer=MemorySaver()))
add_langgraph_fastapi_endpoint(app, agent, "/agent")

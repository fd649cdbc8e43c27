"""Packages that say something about a chat server: what it calls, and what it offers.

A package is named as its registry has it. Python's names are in lower case, with `-`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

PROVIDERS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": (
        *("openai", "@ai-sdk/openai", "@ai-sdk/azure", "@langchain/openai", "@openai/agents", "@azure/openai"),
        *("langchain-openai", "openai-agents", "llama-index-llms-openai"),
        *("github.com/openai/openai-go", "github.com/sashabaranov/go-openai"),
    ),
    "gemini": (
        *("@google/genai", "@google/generative-ai", "@ai-sdk/google", "@langchain/google-genai"),
        *("google-genai", "google-generativeai", "langchain-google-genai"),
        *("google.golang.org/genai", "github.com/google/generative-ai-go"),
    ),
    "local": (
        *("ollama", "ollama-ai-provider", "ollama-ai-provider-v2", "@langchain/ollama", "langchain-ollama"),
        "github.com/ollama/ollama",
    ),
    "anthropic": (
        *("@anthropic-ai/sdk", "@ai-sdk/anthropic", "@langchain/anthropic", "anthropic", "langchain-anthropic"),
        "github.com/anthropics/anthropic-sdk-go",
    ),
}
"""The clients of each provider, by the provider's name in `--provider`."""

ANY_PROVIDER: Final = ("litellm", "pydantic-ai", "pydantic-ai-slim", "langchain", "ai", "llama-index")
"""Clients of many providers: they do not say which."""

VARIABLES: Final[Mapping[str, str]] = {
    "openai": r"OPENAI_(?:API_)?BASE(?:_URL)?\b|api\.openai\.com",
    "gemini": r"GOOGLE_GEMINI_BASE_URL|generativelanguage\.googleapis\.com",
    "local": r"LOCAL_LLM_URL|OLLAMA_(?:HOST|BASE_URL|URL)\b|localhost:11434|127\.0\.0\.1:11434",
    "anthropic": r"ANTHROPIC_(?:API_)?BASE_URL|api\.anthropic\.com",
}
"""What the source of a server without such a client says of its provider."""

PROFILES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "socketio": ("socket.io", "@nestjs/platform-socket.io", "python-socketio", "flask-socketio", "fastapi-socketio"),
    "limits": (
        *("express-rate-limit", "@fastify/rate-limit", "hono-rate-limiter", "rate-limiter-flexible", "koa-ratelimit"),
        *("@nestjs/throttler", "flask-limiter", "slowapi", "fastapi-limiter", "limits", "django-ratelimit"),
        "github.com/ulule/limiter",
    ),
    "auth": (
        *("jsonwebtoken", "express-jwt", "@fastify/jwt", "koa-jwt", "passport-jwt", "@nestjs/jwt", "jose"),
        *("pyjwt", "python-jose", "flask-jwt-extended", "authx", "djangorestframework-simplejwt"),
        "github.com/golang-jwt/jwt",
    ),
    "cors": (
        *("cors", "@fastify/cors", "@koa/cors", "flask-cors", "django-cors-headers"),
        *("github.com/rs/cors", "github.com/gin-contrib/cors", "github.com/go-chi/cors"),
    ),
}
"""What a server that has such a package most likely offers, by the profile's name."""

PROFILE_SIGNS: Final[Mapping[str, str]] = {
    "chat": r"""["'`]/api/chat["'`]""",
    "cors": r"CORSMiddleware|hono/cors|enableCors\(",
}
"""What the source says of a profile that needs no package."""

TELL_IT: Final[Mapping[str, str]] = {
    "@google/generative-ai": "pass { baseUrl: process.env.GOOGLE_GEMINI_BASE_URL } to getGenerativeModel",
    "@ai-sdk/google": "createGoogleGenerativeAI({ baseURL: `${process.env.GOOGLE_GEMINI_BASE_URL}/v1beta` })",
    "@langchain/google-genai": "new ChatGoogleGenerativeAI({ baseUrl: process.env.GOOGLE_GEMINI_BASE_URL })",
    "@langchain/ollama": "new ChatOllama({ baseUrl: process.env.LOCAL_LLM_URL })",
    "google-generativeai": 'configure(client_options={"api_endpoint": …}, transport="rest")',
    "github.com/sashabaranov/go-openai": 'config.BaseURL = os.Getenv("OPENAI_BASE_URL")',
    "litellm": 'OpenAI\'s address is read; for others: completion(api_base=os.environ["LOCAL_LLM_URL"])',
}
"""Clients that do not read the variables which the suite sets, and how to tell them the address in code."""

JAVASCRIPT_OLLAMA: Final = "new Ollama({ host: process.env.LOCAL_LLM_URL })"
PYTHON_OLLAMA: Final = 'ollama.Client(host=os.environ["LOCAL_LLM_URL"])'


def those_of(table: Mapping[str, Iterable[str]], packages: Mapping[str, str]) -> dict[str, str]:
    """Each key of the table for which a package is there, with the package.

    Args:
        packages: the project's, each with what is known of its version.
    """
    found = {}
    for key, names in table.items():
        if there := [name for name in names if name in packages]:
            found[key] = there[0]
    return found

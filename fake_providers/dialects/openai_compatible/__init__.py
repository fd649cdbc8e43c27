"""OpenAI's paths as Ollama, vLLM, llama.cpp and LM Studio serve them."""

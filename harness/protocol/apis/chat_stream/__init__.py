"""The API document's own api: `POST /api/chat/stream`, and `chat_stream` over Socket.IO."""

"""The messages of Gemini's API, and a JSON reader for them with Google's error texts.

Source: https://ai.google.dev/api/generate-content, the types of google-genai, and recorded refusals. Like Protocol
Buffers' reader in Google's frontend it takes names in camelCase and snake_case, one value where a list belongs,
numbers as text, and null as absence.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from typing import Any, Final

# A field's type: str, float, int, bool, bytes, any (not looked into), the name of a message or an enumeration;
# "*" before it: a list, "%": a map.
_SCHEMAS: Final[dict[str, str]] = {
    "GenerateContentRequest": "model:str contents:*Content system_instruction:Content tools:*Tool"
    " tool_config:ToolConfig safety_settings:*SafetySetting generation_config:GenerationConfig cached_content:str"
    " labels:any store:bool service_tier:any continuation_token:any",
    "CountTokensRequest": "model:str contents:*Content generate_content_request:GenerateContentRequest",
    "EmbedContentRequest": "model:str content:Content task_type:any title:str output_dimensionality:int"
    " embed_content_config:any",
    "BatchEmbedContentsRequest": "model:str requests:*EmbedContentRequest",
    "Content": "parts:*Part role:str",
    "Part": "text:str inline_data:Blob file_data:FileData function_call:FunctionCall function_response:FunctionResponse"
    " executable_code:any code_execution_result:any tool_call:any tool_response:any thought:bool"
    " thought_signature:bytes video_metadata:any media_resolution:any part_metadata:any audio_transcription:any"
    " media_processing:any speech_metadata:any document_metadata:any spreadsheet_metadata:any audio_metadata:any",
    "Blob": "mime_type:str data:bytes display_name:str",
    "FileData": "mime_type:str file_uri:str display_name:str",
    "FunctionCall": "id:str name:str args:any partial_args:any will_continue:bool",
    "FunctionResponse": "id:str name:str response:any will_continue:bool scheduling:any parts:any",
    "Tool": "function_declarations:*FunctionDeclaration google_search:any google_search_retrieval:any"
    " code_execution:any url_context:any computer_use:any file_search:any google_maps:any mcp_servers:any"
    " retrieval:any",
    "FunctionDeclaration": "name:str description:str parameters:Schema parameters_json_schema:any response:Schema"
    " response_json_schema:any behavior:any",
    "Schema": "type:str format:str title:str description:str nullable:bool enum:*str max_items:int min_items:int"
    " properties:%Schema required:*str min_properties:int max_properties:int min_length:int max_length:int pattern:str"
    " example:any any_of:*Schema property_ordering:*str default:any items:Schema minimum:float maximum:float"
    " additional_properties:any defs:any ref:any",
    "ToolConfig": "function_calling_config:FunctionCallingConfig retrieval_config:any"
    " include_server_side_tool_invocations:bool",
    "FunctionCallingConfig": "mode:Mode allowed_function_names:*str stream_function_call_arguments:bool",
    "SafetySetting": "category:HarmCategory threshold:HarmBlockThreshold",
    "GenerationConfig": "candidate_count:int stop_sequences:*str max_output_tokens:int temperature:float top_p:float"
    " top_k:int seed:int response_mime_type:str response_schema:Schema response_json_schema:any"
    " presence_penalty:float frequency_penalty:float response_logprobs:bool logprobs:int"
    " enable_enhanced_civic_answers:bool response_modalities:*any speech_config:any thinking_config:ThinkingConfig"
    " media_resolution:any image_config:any audio_transcription_config:any translation_config:any response_format:any",
    "ThinkingConfig": "include_thoughts:bool thinking_budget:int thinking_level:any",
}
_FIELDS: Final = {
    message: dict(field.split(":", 1) for field in fields.split()) for message, fields in _SCHEMAS.items()
}
_ENUM_WORDS: Final = {
    "Mode": "MODE_UNSPECIFIED AUTO ANY NONE VALIDATED",
    "HarmBlockThreshold": "HARM_BLOCK_THRESHOLD_UNSPECIFIED BLOCK_LOW_AND_ABOVE BLOCK_MEDIUM_AND_ABOVE BLOCK_ONLY_HIGH"
    " BLOCK_NONE OFF",
    "HarmCategory": "HARM_CATEGORY_UNSPECIFIED HARM_CATEGORY_DEROGATORY HARM_CATEGORY_TOXICITY HARM_CATEGORY_VIOLENCE"
    " HARM_CATEGORY_SEXUAL HARM_CATEGORY_MEDICAL HARM_CATEGORY_DANGEROUS HARM_CATEGORY_HARASSMENT"
    " HARM_CATEGORY_HATE_SPEECH HARM_CATEGORY_SEXUALLY_EXPLICIT HARM_CATEGORY_DANGEROUS_CONTENT"
    " HARM_CATEGORY_CIVIC_INTEGRITY",
}
_ENUMS: Final = {name: words.split() for name, words in _ENUM_WORDS.items()}
# A part has one of these.
_PART_DATA: Final = (
    "text", "inline_data", "file_data", "function_call", "function_response", "executable_code",
    "code_execution_result", "tool_call", "tool_response",
)  # fmt: skip
_PACKAGE: Final = "type.googleapis.com/google.ai.generativelanguage"
_TYPES: Final = {
    "str": "TYPE_STRING",
    "float": "TYPE_FLOAT",
    "int": "TYPE_INT32",
    "bool": "TYPE_BOOL",
    "bytes": "TYPE_BYTES",
}
_UPPER: Final = re.compile("[A-Z]")
_MAX_DEPTH: Final = 100
_MAX_VIOLATIONS: Final = 100
_MAX_SHOWN: Final = 200


class Reader:
    """Reads one request; `violations` are (path of the field, description), in the order of the request."""

    def __init__(self, version: str) -> None:
        self.violations: list[tuple[str, str]] = []
        self._package = f"{_PACKAGE}.{version}"

    def message(self, kind: str, value: dict[str, Any], path: str = "", depth: int = 0) -> dict[str, Any]:
        """The message's valid fields, by their names in snake_case."""
        known, taken = _FIELDS[kind], {}
        for given, content in value.items():
            name = _snake(given)
            if content is None or len(self.violations) >= _MAX_VIOLATIONS:
                continue
            if name not in known:
                self._no_such_name(given, path, "Cannot find field.")
            elif depth > _MAX_DEPTH:
                self._violation(path, f"Message too deep. Max recursion depth reached for key '{given}'")
            else:
                here = f"{path}.{name}" if path else name
                taken[name] = self._field(known[name], content, given, path, here, depth + 1)
        if kind == "Part":
            self._one_of(taken, path)
        return taken

    def _field(self, kind: str, value: Any, given: str, parent: str, path: str, depth: int) -> Any:
        if kind == "any":
            return value
        if kind.startswith("%"):
            return self._map(kind[1:], value, path, depth)
        if kind.startswith("*"):
            values = value if isinstance(value, list) else [value]
            kind = kind[1:]
            if kind == "any":
                return values
            return [self._value(kind, one, given, parent, f"{path}[{i}]", depth) for i, one in enumerate(values)]
        if isinstance(value, list):
            return self._no_such_name(given, parent, "Proto field is not repeating, cannot start list.")
        return self._value(kind, value, given, parent, path, depth)

    def _value(self, kind: str, value: Any, given: str, parent: str, path: str, depth: int) -> Any:
        if kind in _FIELDS:
            if isinstance(value, dict):
                return self.message(kind, value, path, depth)
            return self._invalid(path, f"{self._package}.{kind}", value)
        if isinstance(value, dict):
            return self._no_such_name(given, parent, "Starting an object on a scalar field")
        if kind in _ENUMS:
            if value in _ENUMS[kind] or type(value) is int:
                return value
            return self._invalid(path, f"{self._package}.{kind}", value)
        try:
            return _scalar(kind, value)
        except (ValueError, OverflowError):
            return self._invalid(path, _TYPES[kind], value)

    def _map(self, kind: str, value: Any, path: str, depth: int) -> Any:
        if not isinstance(value, dict):
            return self._invalid(path, f"{self._package}.{kind}", value)
        read = {}
        for index, (key, content) in enumerate(value.items()):
            # A map is a list of pairs to Protocol Buffers, and Google's complaints show it.
            read[key] = self._value(kind, content, "value", path, f"{path}[{index}].value", depth)
        return read

    def _one_of(self, part: dict[str, Any], path: str) -> None:
        present = [name for name in part if name in _PART_DATA]
        for name in present[1:]:
            reason = f"oneof field 'data' is already set. Cannot set '{_camel(name)}'"
            self._violation(path, f"Invalid value at '{path}' (oneof), {reason}")

    def _no_such_name(self, given: str, path: str, reason: str) -> None:
        where = f" at '{path}'" if path else ""
        self._violation(path, f'Invalid JSON payload received. Unknown name "{given[:_MAX_SHOWN]}"{where}: {reason}')

    def _invalid(self, path: str, kind: str, value: Any) -> None:
        shown = "" if isinstance(value, dict | list) else json.dumps(value, ensure_ascii=False)[:_MAX_SHOWN]
        if kind == "TYPE_BYTES" and isinstance(value, str):
            shown = f"Base64 decoding failed for {shown}"
        self._violation(path, f"Invalid value at '{path}' ({kind}), {shown}")

    def _violation(self, path: str, description: str) -> None:
        self.violations.append((path, description))


def _scalar(kind: str, value: Any) -> Any:
    """The value as the field's type. ValueError if it is not of that type."""
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "bytes" and isinstance(value, str):
        return _bytes(value)
    if kind in ("int", "float") and isinstance(value, int | float | str) and not isinstance(value, bool):
        number = float(value)
        if kind == "float" and math.isfinite(number):
            return number
        if kind == "int" and number.is_integer() and abs(number) < 2**31:
            return int(number)
    raise ValueError


def _bytes(value: str) -> bytes:
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
    except binascii.Error as problem:
        raise ValueError from problem


def _snake(name: str) -> str:
    return _UPPER.sub(lambda found: f"_{found[0].lower()}", name)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)

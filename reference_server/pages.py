"""Serve the pages: the playground, for trying the server, at `/`; the OpenAPI description at `/openapi.json`, and the
same to read at `/docs`."""

from pathlib import Path

from flask import Flask, Response, abort, send_file

FOLDER = Path(__file__).with_name("playground")
# Fixed here, because the type of .js in the system's table differs between machines.
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; "
    "object-src 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def add_pages(app: Flask) -> None:
    """Serve `/`, `/docs`, their files below `/playground/`, and `/openapi.json`."""
    files = {path.name: path for path in FOLDER.iterdir() if path.suffix in TYPES}

    @app.get("/playground/<name>")
    def page(name: str) -> Response:
        if name not in files:
            abort(404)
        response = send_file(files[name], mimetype=TYPES[files[name].suffix])
        response.headers.update(HEADERS)
        return response

    @app.get("/openapi.json")
    def description() -> Response:
        return send_file(FOLDER.with_name("openapi.json"), mimetype="application/json")

    app.add_url_rule("/", "home", page, defaults={"name": "index.html"}, methods=["GET"])
    app.add_url_rule("/docs", "docs", page, defaults={"name": "description.html"}, methods=["GET"])

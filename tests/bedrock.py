"""A local server that speaks the wire protocol of Amazon Bedrock's Converse API.

Requests come from the real boto3. They and the answers are checked against botocore's own model of
the service, so that neither side of a test makes up the API. The language model is a function.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

PATH = re.compile(r"/model/([^/]+)/converse")
INPUT_TOKENS, OUTPUT_TOKENS = 400, 40  # of each call


@dataclass(frozen=True)
class Request:
    """A call for the label of a text."""

    model_id: str
    body: dict[str, Any]
    attempt: int  # 1 for the first call with this text

    @property
    def text(self) -> str:
        """The text, as the first block of the message has it."""
        text: str = json.loads(self.body["messages"][0]["content"][0]["text"])["text"]
        return text

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of the tool."""
        schema: dict[str, Any] = self.body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"][
            "json"
        ]
        return schema

    @property
    def choices(self) -> list[str]:
        """The labels that the schema allows."""
        choices: list[str] = self.schema["properties"]["label"]["enum"]
        return choices


@dataclass(frozen=True)
class Answer:
    """An answer of the model."""

    content: list[dict[str, Any]]
    stop_reason: str = "tool_use"

    def to_json(self) -> dict[str, Any]:
        """Return the body of the response."""
        tokens = {"inputTokens": INPUT_TOKENS, "outputTokens": OUTPUT_TOKENS}
        return {
            "output": {"message": {"role": "assistant", "content": self.content}},
            "stopReason": self.stop_reason,
            "usage": {**tokens, "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS},
            "metrics": {"latencyMs": 300},
        }


@dataclass(frozen=True)
class Fault:
    """An error of the service, by the names of botocore's model."""

    code: str
    message: str = "Too many requests, please wait before trying again."


class Cut:
    """A connection that breaks in the middle of an answer."""


@dataclass(frozen=True)
class Malformed:
    """A body that Bedrock never sends."""

    body: bytes


Reply = Answer | Fault | Cut | Malformed
Model = Callable[[Request], Reply]


def calls_tool(arguments: object, name: str = "label_text") -> Answer:
    """Return the answer of a model that calls a tool."""
    return Answer([{"toolUse": {"toolUseId": "tooluse_1", "name": name, "input": arguments}}])


def labels_with(label: str) -> Answer:
    """Return the answer of a model that gives a label."""
    return calls_tool({"label": label})


def says(text: str, stop_reason: str = "end_turn") -> Answer:
    """Return the answer of a model that talks and calls no tool."""
    return Answer([{"text": text}], stop_reason)


def always(reply: Reply) -> Model:
    """Return a model that answers every request alike."""
    return lambda _: reply


@cache
def converse() -> OperationModel:
    """Return botocore's model of the operation."""
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    return service.operation_model("Converse")


def find_violations(value: Mapping[str, Any], shape: Shape | None) -> str:
    """Say how a value differs from its shape in botocore's model; empty if it does not."""
    assert shape is not None
    return str(ParamValidator().validate(value, shape).generate_report())


@dataclass
class Bedrock:
    """What a test sees of the server."""

    url: str = ""
    model: Model = lambda request: labels_with(request.choices[0])
    requests: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)  # paid calls, by text
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """What lets clients reach this server as they would reach AWS."""
        return {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def texts(self) -> list[str]:
        """The texts of all calls."""
        return [request.text for request in self.requests]

    def receive(self, path: str, body: bytes, authorization: str) -> Reply:
        """Check a request and let the model reply."""
        match = PATH.fullmatch(path)
        assert match, path
        parsed = json.loads(body)
        model_id = unquote(match[1])
        with self.lock:
            text = Request(model_id, parsed, 1).text
            request = Request(model_id, parsed, 1 + self.texts.count(text))
            self.requests.append(request)
            self.violations += self._check(request, authorization)
        return self.model(request)

    def _check(self, request: Request, authorization: str) -> Iterator[str]:
        parameters = {"modelId": request.model_id, **request.body}
        if violations := find_violations(parameters, converse().input_shape):
            yield violations
        name_of_tool = converse().service_model.shape_for("ToolName").metadata["pattern"]
        for tool in request.body["toolConfig"]["tools"]:
            if not re.fullmatch(name_of_tool, tool["toolSpec"]["name"]):
                yield f"no name of a tool: {tool['toolSpec']['name']}"
        if "/bedrock/aws4_request" not in authorization:
            yield f"not signed for Bedrock: {authorization}"


class Handler(BaseHTTPRequestHandler):
    """Reads a request and writes the reply as Bedrock does."""

    protocol_version = "HTTP/1.1"
    bedrock: Bedrock

    def do_POST(self) -> None:
        """Answer a call of Converse."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        reply = self.bedrock.receive(self.path, body, self.headers.get("Authorization", ""))
        if isinstance(reply, Fault):
            self._send_fault(reply)
            return
        if isinstance(reply, Malformed):
            self._send(200, reply.body)
            return
        answer = reply if isinstance(reply, Answer) else labels_with("cut")
        violations = find_violations(answer.to_json(), converse().output_shape)
        if violations:
            self.bedrock.violations.append(violations)
        content = json.dumps(answer.to_json()).encode()
        self._send(200, content, cut=isinstance(reply, Cut))
        if isinstance(reply, Answer):
            request = json.loads(json.loads(body)["messages"][0]["content"][0]["text"])
            with self.bedrock.lock:
                self.bedrock.answered[request["text"]] += 1

    def _send_fault(self, fault: Fault) -> None:
        (shape,) = [one for one in converse().error_shapes if one.name == fault.code]
        status = shape.metadata["error"]["httpStatusCode"]
        content = json.dumps({"message": fault.message}).encode()
        self._send(status, content, headers={"x-amzn-ErrorType": f"{fault.code}:http://internal"})

    def _send(
        self,
        status: int,
        content: bytes,
        headers: dict[str, str] | None = None,
        *,
        cut: bool = False,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut or self.close_connection

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving() -> Iterator[Bedrock]:
    """Serve until the block ends; then all requests and answers must have been valid."""
    bedrock = Bedrock()
    handler = type("BoundHandler", (Handler,), {"bedrock": bedrock})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        bedrock.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield bedrock
        finally:
            server.shutdown()
    assert bedrock.violations == []

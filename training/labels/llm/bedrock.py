"""Ask a model on Amazon Bedrock for labels, through the Converse API.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from inference.errors import TextClassifierError
from training.labels.llm.prompt import TOOL, Prompt
from training.labels.llm.spending import Usage

SCHEME = "bedrock:"
# An API key of Bedrock takes the place of credentials:
# https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html
API_KEY = "AWS_BEARER_TOKEN_BEDROCK"
# Bedrock sets a request's most output tokens aside from the quota of tokens per minute until it is
# answered, so a number much larger than an answer needs would throttle the calls. A model that
# reasons before it answers needs more than the 50 or so tokens of a label.
MOST_OUTPUT_TOKENS = 500
# What Bedrock and the model add to a request. The instructions for tools are 159 to 530 tokens long
# for Claude 3 (https://docs.anthropic.com/en/docs/tool-use-pricing-and-tokens).
ADDED_TOKENS = 1000
CONNECT_SECONDS, READ_SECONDS = 10, 120
# botocore sends a call again that failed, after pauses that grow and vary; in its mode `adaptive`,
# it also lowers the rate of calls to what Bedrock accepts. Calls whose answer was lost on the way
# are left to the caller: AWS may bill them, so the budget has to cover each.
MOST_SENDS = 8
AGAIN = "what was paid for is kept: the same command goes on later"
NEVER_SENT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError, SSLError)
FAILED_FOR_NOW = {"ModelErrorException", "ModelTimeoutException"}  # which botocore does not repeat
# What botocore raises for an answer that is not of the API: the last four if its JSON has a list or
# a text where the API has an object, or is nested too deeply.
NO_ANSWER = (ResponseParserError, AttributeError, TypeError, ValueError, RecursionError)
REFUSALS = {"content_filtered", "refusal"}
TOO_LONG = ("too long", "exceed", "maximum context length")  # as different models say it


class ModelError(TextClassifierError):
    """A model cannot be used; the message says why."""


class LostAnswerError(ModelError):
    """A call was sent, but its answer was lost on the way; AWS may bill it."""


class Problem(StrEnum):
    """Why a call gave no label, as the rejects file says it."""

    REFUSED = "the model refused to answer"
    GUARDRAIL = "a guardrail stopped the answer"
    NO_LABEL_FITS = "no label fits, the model says"
    NOT_ACCEPTED = "the model does not accept the text, which may be too long"
    UNKNOWN_LABEL = "the model answered with an unknown label"
    UNUSABLE = "the model gave no usable answer"
    TOO_LONG = f"the model's answer was longer than {MOST_OUTPUT_TOKENS} tokens"
    FAILED = "the model failed"
    LOST = "the answer was lost on the way"

    @property
    def is_final(self) -> bool:
        """Whether asking again is no use."""
        return self in FINAL


FINAL = {Problem.REFUSED, Problem.GUARDRAIL, Problem.NO_LABEL_FITS, Problem.NOT_ACCEPTED}


@dataclass(frozen=True)
class Reply:
    """What a call gave: a label, or a problem; and what it cost."""

    label: str | None
    problem: Problem | None
    usage: Usage


class BedrockModel:
    """A model on Bedrock, by the id or ARN of a model or an inference profile.

    Several threads may ask at the same time.
    """

    def __init__(self, model_id: str, prompt: Prompt, parallel: int) -> None:
        self.model_id, self._prompt = model_id, prompt
        self._client = _create_client(parallel)
        # What some models do not know; a model that says so is asked without it.
        self._optional = {"toolChoice", "temperature"}
        self._has_answered = False
        self._lock = threading.Lock()
        self._client.meta.events.register("needs-retry.bedrock-runtime.Converse", self._give_up)

    def ask(self, text: str, *, again: bool = False) -> Reply:
        """Ask for the label of a text.

        Args:
            text: the text.
            again: whether the last answer for it could not be used.

        Raises:
            LostAnswerError: the answer was lost on the way.
            ModelError: the model cannot be used, or not now.
        """
        most = self.find_most_usage(text)
        while True:
            options = frozenset(self._optional)
            request = self._write_request(text, options, again=again)
            try:
                response = self._client.converse(**request)
            except ClientError as error:
                if self._drop_option(error, options):
                    continue
                return self._read_error(error)
            except BotoCoreError as error:
                raise ModelError(f"{self.model_id} cannot be reached: {error}; {AGAIN}") from error
            except NO_ANSWER:
                return Reply(None, Problem.FAILED, most)
            self._has_answered = True
            return self._read(response, most)

    def _give_up(self, caught_exception: Exception | None, **_: object) -> None:
        """Keep botocore from sending a call again whose answer was lost on the way."""
        if caught_exception and not isinstance(caught_exception, NEVER_SENT):
            raise LostAnswerError(
                f"{self.model_id} cannot be reached: {caught_exception}; {AGAIN}"
            ) from caught_exception

    def find_most_usage(self, text: str) -> Usage:
        """Return the most that a call for a text can cost: a token has a byte or more."""
        most_input = self._prompt.count_bytes(text) + ADDED_TOKENS
        return Usage(1, most_input, MOST_OUTPUT_TOKENS)

    def _write_request(
        self, text: str, options: frozenset[str], *, again: bool = False
    ) -> dict[str, Any]:
        inference: dict[str, Any] = {"maxTokens": MOST_OUTPUT_TOKENS}
        if "temperature" in options:
            inference["temperature"] = 0.0
        tools: dict[str, Any] = {"tools": self._prompt.tools}
        if "toolChoice" in options:
            tools["toolChoice"] = {"any": {}}
        return {
            "modelId": self.model_id,
            "system": self._prompt.system,
            "messages": [self._prompt.write_message(text, again=again)],
            "inferenceConfig": inference,
            "toolConfig": tools,
        }

    def _drop_option(self, error: ClientError, options: frozenset[str]) -> bool:
        """Whether the model does not know an option, which is then no longer sent."""
        if _code_of(error) != "ValidationException":
            return False
        message = _message_of(error).casefold()
        unknown = {option for option in options if option.casefold() in message}
        with self._lock:
            self._optional -= unknown
        return bool(unknown)

    def _read_error(self, error: ClientError) -> Reply:
        """Return the problem with one text; a problem with all of them is raised."""
        code, message = _code_of(error), _message_of(error)
        if code in FAILED_FOR_NOW:
            return Reply(None, Problem.FAILED, Usage(calls=1))
        if code == "ValidationException":
            if "tool use" in message.casefold() or "toolconfig" in message.casefold():
                raise ModelError(
                    f"{self.model_id} cannot answer by calling a tool: choose a model with tool "
                    f"use (AWS: {message})"
                )
            if self._has_answered or any(words in message.casefold() for words in TOO_LONG):
                return Reply(None, Problem.NOT_ACCEPTED, Usage(calls=1))
        if code == "AccessDeniedException":
            raise ModelError(
                f"no access to {self.model_id}: allow bedrock:InvokeModel on the model and the "
                f"inference profile (AWS: {message})"
            )
        raise ModelError(f"{self.model_id} cannot be used: {code}: {message}; {AGAIN}") from error

    def _read(self, response: Mapping[str, Any], most: Usage) -> Reply:
        if "usage" not in response:  # botocore reads an answer that was cut off as an empty one
            return Reply(None, Problem.FAILED, most)
        usage = _read_usage(response)
        reason = response.get("stopReason")
        if reason == "guardrail_intervened":
            return Reply(None, Problem.GUARDRAIL, usage)
        if reason in REFUSALS:
            return Reply(None, Problem.REFUSED, usage)
        answers = _find_answers(response)
        if len(answers) != 1:
            is_cut = reason == "max_tokens"
            return Reply(None, Problem.TOO_LONG if is_cut else Problem.UNUSABLE, usage)
        if label := self._prompt.find_label(answers[0]):
            return Reply(label, None, usage)
        says_none = self._prompt.says_none(answers[0])
        return Reply(None, Problem.NO_LABEL_FITS if says_none else Problem.UNKNOWN_LABEL, usage)


def read_model_id(uri: str) -> str:
    """Return the model's id in ``bedrock:MODEL_ID``.

    Raises:
        ModelError: it is something else.
    """
    model_id = uri.removeprefix(SCHEME)
    if not uri.startswith(SCHEME) or not model_id:
        raise ModelError(
            f"no such model: {uri}; give bedrock: and the id or ARN of a model or an inference "
            "profile on Amazon Bedrock"
        )
    return model_id


def require_access() -> None:
    """Find a region and credentials, before the user waits for anything.

    Raises:
        ModelError: there are none.
    """
    import boto3

    _create_client(1)
    if os.environ.get(API_KEY):
        return
    try:
        credentials = boto3.Session().get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()  # renews those that have expired
            return
    except (BotoCoreError, ClientError) as error:  # such as an unknown profile
        raise ModelError(f"AWS: {error}") from error
    raise ModelError(
        "AWS: there are no credentials: run `aws login` or `aws configure`, or set AWS_PROFILE"
    )


def _create_client(parallel: int) -> Any:
    import boto3  # takes 0.1 s, which other commands need not wait for

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "adaptive", "total_max_attempts": MOST_SENDS},
        max_pool_connections=parallel,
    )
    create: Any = boto3.client  # whose overloads want the stubs of this service
    try:
        return create("bedrock-runtime", config=config)
    except BotoCoreError as error:  # such as no region
        raise ModelError(f"AWS: {error}") from error


def _find_answers(response: Mapping[str, Any]) -> list[object]:
    """Return the different labels that the calls of the tool name."""
    message = response.get("output", {}).get("message", {})
    calls = [block["toolUse"] for block in message.get("content", []) if "toolUse" in block]
    inputs = [call.get("input") for call in calls if call.get("name") == TOOL]
    labels = [each.get("label") if isinstance(each, dict) else None for each in inputs]
    return [label for number, label in enumerate(labels) if label not in labels[:number]]


def _read_usage(response: Mapping[str, Any]) -> Usage:
    """Read the tokens of a call; those from a cache are cheaper, but count like all others."""
    usage = response.get("usage", {})
    kinds = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    return Usage(1, sum(usage.get(kind, 0) for kind in kinds), usage.get("outputTokens", 0))


def _code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _message_of(error: ClientError) -> str:
    """Return AWS's message, cut: some quote what was sent."""
    return str(error.response.get("Error", {}).get("Message", ""))[:300]

"""What every message on the bus is made of; the other files here hold the messages."""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
OptionalId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,64}\Z")]
Text = Annotated[str, Meta(max_length=200)]
Sdp = Annotated[str, Meta(max_length=65_536)]
Role = Literal["doctor", "pilot", "interpreter", "observer", "technician", "bystander"]


class Message(Struct, frozen=True, tag=True, kw_only=True, forbid_unknown_fields=False):
    """Base of all. Unknown fields are ignored: the two ends are updated at different times."""


class Fault(Message, frozen=True):
    """The answer to a request that could not be done. An expected outcome, not an exception."""

    reason: Literal["timeout", "unreachable", "refused", "not-found", "busy", "invalid", "failed"]
    text: Text = ""
    """For the technician; people at the panel see a sentence made from `reason`."""


class Done(Message, frozen=True):
    """The answer to a request that has nothing more to say."""


M = TypeVar("M", bound=Message)
Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)


class Topic(Struct, Generic[M], frozen=True):
    """Where one kind of message is published. `retained` topics hold a state, others events."""

    template: str
    message: type[M]
    retained: bool = False
    qos: Literal[0, 1] = 1


class Request(Struct, Generic[Q, A], frozen=True):
    """Where one kind of question is asked; exactly one service answers it."""

    template: str
    question: type[Q]
    answer: type[A]

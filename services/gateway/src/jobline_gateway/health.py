"""Liveness: the gateway serves. It says nothing of the queue service, whose absence is answered with 503 where it
matters; a gateway that waits for it must not be restarted for that."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

__all__ = ["router"]

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The gateway answers."""

    status: str = "ok"


@router.get("/health", summary="Is the gateway up?")
async def health() -> Health:
    return Health()

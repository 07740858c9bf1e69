"""The public status page, and the incidents that administrators put on it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fireside.accounts.access import Rule
from fireside.accounts.http import Body, Caller, Db
from fireside.capacity.incident_repository import Incident, IncidentState, IncidentUpdate
from fireside.capacity.incidents import MAX_TEXT_CHARS, MAX_TITLE_CHARS, IncidentService
from fireside.capacity.ports import GateView
from fireside.capacity.status import CACHED_S, StatusPage, StatusView

Incidents = NamedDependency[IncidentService]
Status = NamedDependency[StatusPage]
View = NamedDependency[GateView]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)]


class IncidentIn(Body, frozen=True, kw_only=True):
    """Something that people should know of."""

    title: Annotated[str, msgspec.Meta(max_length=MAX_TITLE_CHARS)]
    text: Text


class IncidentUpdateIn(Body, frozen=True, kw_only=True):
    """What is to be said about it now."""

    text: Text
    state: IncidentState


class StatusController(Controller):
    """How the house is, for everybody."""

    path = "/api/status"
    tags = ("status",)
    opt = {"rule": Rule.PUBLIC}

    @get(
        sync_to_thread=False,
        cache_control=CacheControlHeader(public=True, max_age=int(CACHED_S)),
    )
    def status(self, status_page: Status, gate_view: View) -> StatusView:
        """State, queue, models, 90 days of history and incidents; at most five seconds old."""
        return status_page.view(gate_view)


class IncidentController(Controller):
    """Incidents, for administrators."""

    path = "/api/admin/incidents"
    tags = ("status",)
    opt = {"rule": Rule.ADMIN}

    @post()
    async def open(
        self,
        data: JSONBody[IncidentIn],
        db: Db,
        incidents: Incidents,
        status_page: Status,
        principal: Caller,
    ) -> Incident:
        """Put an incident on the status page."""
        async with db.write() as tx:
            incident = await incidents.open(tx, data.title, data.text, principal.user_id)
        await status_page.refresh()
        return incident

    @post("/{incident_id:str}/updates")
    async def add(
        self,
        incident_id: FromPath[str],
        data: JSONBody[IncidentUpdateIn],
        db: Db,
        incidents: Incidents,
        status_page: Status,
        principal: Caller,
    ) -> IncidentUpdate:
        """Say how an incident stands; `resolved` closes it."""
        async with db.write() as tx:
            said = await incidents.add(tx, incident_id, data.text, data.state, principal.user_id)
        await status_page.refresh()
        return said


CONTROLLERS = (StatusController, IncidentController)
"""What the application mounts."""

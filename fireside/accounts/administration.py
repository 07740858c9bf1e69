"""What administrators decide: who is here, who may come, who may come back in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from fireside.accounts.domain import (
    Invite,
    PlanAssignment,
    SignUpMode,
    SignUpPolicy,
    User,
    UserRole,
    UserStatus,
    check_an_admin_remains,
    checked_name,
    normal_email,
)
from fireside.accounts.identity import digest
from fireside.accounts.service import AccountService
from fireside.conversation.message import UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.errors import NotFound, UserError
from fireside.kit.hashing import new_secret
from fireside.kit.ids import is_uuid
from fireside.kit.pagination import Page, decode_cursor, encode_cursor

PAGE_SIZE = 50


class Link(msgspec.Struct, frozen=True):
    """A secret that goes into a link, shown once, and when it stops working."""

    secret: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Link(until {self.expires_at.isoformat()})"


@dataclass(frozen=True)
class Administration:
    """The administrator's side of accounts; every route to it has Rule.ADMIN."""

    accounts: AccountService

    async def page(self, tx: ReadTransaction, query: str, cursor: str | None) -> Page[User]:
        """People, newest first; `query` is looked for in addresses and names."""
        before_id = decode_cursor(cursor, 1)[0] if cursor else None
        if before_id is not None and not is_uuid(before_id):
            raise UserError(
                "bad_cursor", "This cursor is not valid.", hint="Start again from the first page."
            )
        users = await self.accounts.users.page(
            tx, query=query.replace("\x00", ""), before_id=before_id, limit=PAGE_SIZE + 1
        )
        if len(users) <= PAGE_SIZE:
            return Page(users)
        return Page(users[:PAGE_SIZE], encode_cursor(users[PAGE_SIZE - 1].id))

    async def create_user(
        self,
        tx: Transaction,
        email: str,
        name: str,
        role: UserRole,
        *,
        password_hash: str | None = None,
    ) -> User:
        """Make an account for somebody. The first ever is administrator whatever `role` says."""
        if await self.accounts.users.claim_setup(tx, self.accounts.clock.now()):
            role = UserRole.ADMIN
        user = self.accounts.new_user(normal_email(email), checked_name(name), role)
        await self.accounts.users.insert(tx, user, password_hash)
        return user

    async def make_reset_link(
        self, tx: Transaction, user_id: str, author_id: UserId | None
    ) -> Link:
        """A link that sets this person's password once; an earlier one stops working."""
        user = await self.accounts.users.user(tx, user_id)
        now = self.accounts.clock.now()
        link = Link(new_secret(""), now + timedelta(hours=self.accounts.settings.reset_link_hours))
        await self.accounts.links.replace_reset_link(
            tx,
            self.accounts.new_id(),
            user.id,
            digest=digest(link.secret),
            author_id=author_id,
            now=now,
            expires_at=link.expires_at,
        )
        return link

    async def change_standing(
        self, tx: Transaction, user_id: str, *, role: UserRole | None, status: UserStatus | None
    ) -> User:
        """Promote, demote, disable or enable. Raises Conflict for the last administrator.

        Disabling ends the person's login sessions; API keys sleep until the account is enabled.
        """
        admins = await self.accounts.users.lock_active_admins(tx)
        user = await self.accounts.users.user(tx, user_id)
        changed = msgspec.structs.replace(
            user, role=role or user.role, status=status or user.status
        )
        if changed.role is not UserRole.ADMIN or changed.status is not UserStatus.ACTIVE:
            check_an_admin_remains(user.id, admins)
        await self.accounts.users.update_standing(
            tx, user.id, changed.role, changed.status, self.accounts.clock.now()
        )
        if changed.status is UserStatus.DISABLED:
            await self.accounts.credentials.delete_sessions(tx, user.id)
        return changed

    async def assign_plan(
        self, tx: Transaction, author_id: UserId | None, user_id: str, plan: str, reason: str
    ) -> User:
        """Put somebody on a plan that the caller knows to exist; "" is the default again.

        Forget the person in `accounts.identities` once this is committed. Raises NotFound.
        """
        user = await self.accounts.users.user(tx, user_id)
        assignment = PlanAssignment(
            plan=plan,
            reason=reason.replace("\x00", ""),
            author_id=author_id,
            at=self.accounts.clock.now(),
        )
        await self.accounts.users.assign_plan(tx, self.accounts.new_id(), user.id, assignment)
        return msgspec.structs.replace(user, plan=plan)

    async def delete_user(self, tx: Transaction, user_id: str) -> UserId:
        """Erase a person and all that is theirs."""
        user = await self.accounts.users.user(tx, user_id)
        await self.accounts.delete_account(tx, user.id)
        return user.id

    async def invites(self, tx: ReadTransaction) -> list[Invite]:
        """Every invite, used ones too, newest first."""
        return await self.accounts.links.invites(tx)

    async def create_invite(
        self, tx: Transaction, author_id: UserId, email: str | None, role: UserRole
    ) -> tuple[Invite, Link]:
        """An invite and the secret of its link, which is shown once."""
        now = self.accounts.clock.now()
        invite = Invite(
            id=self.accounts.new_id(),
            email=normal_email(email) if email else None,
            role=role,
            created_at=now,
            expires_at=now + timedelta(days=self.accounts.settings.invite_days),
        )
        link = Link(new_secret(""), invite.expires_at)
        await self.accounts.links.insert_invite(tx, author_id, invite, digest(link.secret))
        return invite, link

    async def withdraw_invite(self, tx: Transaction, invite_id: str) -> None:
        """Make an invite unusable. Raises NotFound."""
        if not await self.accounts.links.delete_invite(tx, invite_id):
            raise NotFound("invite_not_found", "There is no such invite.")

    async def set_sign_up_mode(
        self, tx: Transaction, author_id: UserId | None, mode: SignUpMode, reason: str
    ) -> SignUpPolicy:
        """Put a new version of the sign-up policy in force."""
        policy = SignUpPolicy(
            mode=mode,
            reason=reason.replace("\x00", ""),  # PostgreSQL keeps no NUL in text
            author_id=author_id,
            at=self.accounts.clock.now(),
        )
        await self.accounts.users.insert_sign_up_policy(tx, self.accounts.new_id(), policy)
        return policy

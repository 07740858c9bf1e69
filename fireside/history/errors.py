"""What history says when something is not there or does not fit."""

from __future__ import annotations

from fireside.errors import Conflict, NotFound, TooLarge, UserError


class UnknownConversation(NotFound):
    """Absent, deleted or somebody else's: these look the same."""

    def __init__(self) -> None:
        super().__init__(
            "unknown_conversation",
            "This conversation does not exist.",
            hint="It may have been deleted; deleted ones can be restored for 30 days.",
        )


class UnknownMessage(NotFound):
    """No such message in this conversation."""

    def __init__(self, param: str | None = None) -> None:
        super().__init__(
            "unknown_message",
            "This message is not in the conversation.",
            hint="Load the conversation again.",
            param=param,
        )


class UnknownFolder(NotFound):
    """Absent or somebody else's."""

    def __init__(self) -> None:
        super().__init__("unknown_folder", "This folder does not exist.", param="folder_id")


class UnknownShare(NotFound):
    """Never shared, no longer shared, or its conversation was deleted."""

    def __init__(self) -> None:
        super().__init__("unknown_share", "There is no shared conversation at this address.")


class MessageExists(Conflict):
    """The id is taken."""

    def __init__(self) -> None:
        super().__init__("message_exists", "A message with this id is already there.")


class TooLongToShare(TooLarge):
    """A public page shows at most so many messages."""

    def __init__(self, max_messages: int) -> None:
        super().__init__(
            "too_long_to_share",
            f"A shared page shows at most {max_messages} messages, and this thread is longer.",
            hint="Export the conversation to pass it on.",
        )


class NothingToShare(UserError):
    """The conversation has no message yet."""

    def __init__(self) -> None:
        super().__init__("nothing_to_share", "There is nothing in this conversation yet.")


class TooManyFolders(TooLarge):
    """A person keeps at most so many folders."""

    def __init__(self, max_folders: int) -> None:
        super().__init__(
            "too_many_folders",
            f"There can be at most {max_folders} folders.",
            hint="Delete one that is no longer needed.",
        )

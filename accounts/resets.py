"""A code for a new password is good for the account as it was when the code was asked for.

allauth keeps the code in the session of who asked. A change of the password or the email elsewhere would leave it
alive, and with it whoever still reads the old mailbox.
"""

from allauth.account.internal.flows.password_reset_by_code import PASSWORD_RESET_VERIFICATION_SESSION_KEY as SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from .models import User


def bind(session: SessionBase, user: User) -> None:
    """Tie the code just asked for to the present password and email of ``user``."""
    session[SESSION_KEY] |= {"auth_hash": user.get_session_auth_hash()}


def forget_if_changed(session: SessionBase) -> None:
    """End the code under way if the account has another password or email by now, or is closed."""
    state = session.get(SESSION_KEY, {})
    if "user_id" not in state:  # asked for an address without account
        return
    user = User.objects.get(pk=state["user_id"])
    if user.is_active and user.email == state["email"].lower() and user.get_session_auth_hash() == state["auth_hash"]:
        return
    if state.get("code_confirmed"):
        del session[SESSION_KEY]
    else:
        # Go on like one for an address without account: that it ended would tell that there is one.
        session[SESSION_KEY] = {key: value for key, value in state.items() if key not in {"user_id", "code"}}

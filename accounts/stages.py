"""The steps of signing in, where the house wants more of them than allauth."""

from typing import Any

from allauth.mfa.stages import AuthenticateStage


class SecondStep(AuthenticateStage):
    """The second factor after the password. It counts for the account as it was when the password was given."""

    def handle(self) -> tuple[Any, bool]:
        response, goes_on = super().handle()
        if response is not None:
            self.state["account"] = self.login.user.get_session_auth_hash()
            self.login.email = None  # it is proved, and the session waits for a while
        return response, goes_on

    @property
    def is_over(self) -> bool:
        """Whether the member got another password, was signed out everywhere, or is closed since then."""
        user = self.login.user
        return not user.is_active or self.state.get("account") != user.get_session_auth_hash()

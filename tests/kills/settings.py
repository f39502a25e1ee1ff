"""The site's settings as its visitors meet them: what goes wrong is answered with our pages, not with Django's for
developers. The stand-in processor and plain HTTP stay as with DEBUG."""

from marketplace.settings import *  # noqa: F403

DEBUG = False

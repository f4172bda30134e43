"""Which permissions a token needs for what it asks of GitHub."""

import re
from typing import Final

# What a fine-grained token or an app needs to read it, any one of them (REST, permissions required for
# fine-grained tokens). Metadata, which every token has, is enough for the rest.
_NEEDED: Final = tuple(
    (re.compile(rf"/repos/[^/]+/[^/]+{pattern}"), needed)
    for pattern, needed in (
        (r"/actions/permissions", ("administration",)),
        (r"/environments(/[^/]+)?(/deployment-branch-policies)?", ("actions",)),
        (r"/environments/[^/]+/deployment-branch-policies/[^/]+", ("administration",)),
        (r"/environments/[^/]+/(secrets|variables)", ("environments",)),
        (r"/actions/workflows(/[^/]+/runs)?", ("actions",)),
        (r"/commits/[^/]+/check-runs", ("checks",)),
        (r"/commits/[^/]+/pulls", ("pull_requests",)),
        (r"/compare/.+", ("contents",)),
        (r"/issues(/\d+)?", ("issues",)),
        (r"/issues/(\d+/comments|comments/\d+)", ("issues", "pull_requests")),
    )
)

PERMISSIONS: Final = frozenset(each for _, needed in _NEEDED for each in needed)
_OF_ORGANIZATION: Final = re.compile(r"/orgs/[^/]+/teams/[^/]+(/repos/[^/]+/[^/]+)?")


def needed(path: str) -> tuple[str, ...]:
    """Of which permissions a token must have one to read the path; none where every token may."""
    if _OF_ORGANIZATION.fullmatch(path):
        return ("members",)
    return next((needed for pattern, needed in _NEEDED if pattern.fullmatch(path)), ())

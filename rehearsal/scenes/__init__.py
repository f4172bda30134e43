"""A working week as scenes: feature, promotion, bad releases, rotation, kill switch, drift.

A scene is data: what happens, the verbs that a person types, and what the stores must say afterwards. The
stores are asked, never an exit code alone: the account's documents, the Docker engines, git. `make week`
plays them, side by side where they work on different stacks; a test plays the same ones.
"""

from typing import Final

from rehearsal.scenes.facts import (
    always_served,
    bad_socket_is_noted,
    battle,
    n_1_is_kept,
    nothing_drifts,
    nothing_was_built,
    serves,
    switched,
)
from rehearsal.scenes.happenings import (
    breaks,
    by_hand,
    commit_adoption,
    mended,
    note_builds,
    note_production,
    push,
    rehearsed_gate,
    taken_back,
)
from rehearsal.scenes.rotation import PEPPER, finished, lines_of_rotation, rotated
from rehearsal.scenes.scene import Act, Scene
from rehearsal.scenes.stage import PRODUCTION, STAGING, Verb

_FEATURE: Final = Scene(
    title="a feature reaches staging",
    steps=(
        commit_adoption,
        push("feature"),
        Verb(words="stage --stack staging --release {feature} {image} --yes"),
        Verb(words="smoke --stack staging"),
    ),
    facts=serves(STAGING, web="feature", socket="feature", record=["Stage {feature:.12}"]),
)  # fmt: skip

_PROMOTION: Final = Scene(
    title="promoted to production",
    steps=(
        note_production,
        rehearsed_gate,
        Verb(words="promote --stack production --release {feature} --yes"),
        Verb(words="smoke --stack production"),
    ),
    facts=serves(
        PRODUCTION, web="feature", socket="feature", record=["Promote {feature:.7}"], also=n_1_is_kept,
    ),
)  # fmt: skip

_BAD_SOCKET: Final = Scene(
    title="Swarm rolls a bad one back",
    steps=(
        push("bad", fault="crash"),
        Verb(
            words="stage --stack staging --release {bad} {bad_image} --yes",
            code=1, says="{feature} still serves",
        ),
        Verb(words="rollback --stack staging --yes"),
    ),
    facts=serves(
        STAGING, web="bad", socket="feature", also=bad_socket_is_noted,
        record=["Roll socket of staging back", "Stage {bad:.12}"],
    ),
    during=always_served,
    docker=True,
)  # fmt: skip

_BAD_PAGE: Final = Scene(
    title="a bad page is rolled back",
    steps=(
        push("bad"),
        Verb(words="promote --stack production --release {bad} --yes"),
        breaks,
        Verb(words="smoke --stack production", code=1, says="the smoke test of production failed"),
        Verb(words="rollback --stack production --yes"),
        Verb(words="smoke --stack production"),
        Verb(words="promote --stack production --yes", code=1, says="of web was rolled back"),
        mended,
    ),
    facts=serves(
        PRODUCTION, web="feature", socket="feature", also=nothing_was_built,
        record=["Roll web of production back", "Promote {bad:.7}"],
    ),
)  # fmt: skip

_ROTATION: Final = Scene(
    title="every secret is rotated",
    steps=(
        Verb(words="rotate --all --generate --stack {stack} --yes", each=True, stdin=lines_of_rotation),
    ),
    facts=rotated,
)  # fmt: skip

_OLD_PEPPER: Final = Scene(
    title="the old pepper ends",
    steps=(Verb(words=f"rotate {PEPPER} --finish --stack {{stack}} --yes", each=True),),
    facts=finished,
)  # fmt: skip

_KILL_SWITCH: Final = Scene(
    title="battle off and on again",
    steps=(
        note_builds,
        Verb(words="features battle=off --stack production --yes"),
        Verb(words="features battle=on --stack production --yes"),
    ),
    facts=switched,
    during=battle,
)  # fmt: skip

_DRIFT: Final = Scene(
    title="drift is found and mended",
    steps=(
        by_hand,
        Verb(words="drift --stack production --json", code=3),
        taken_back,
        Verb(words="drift --stack production", says="nothing was changed by hand"),
    ),
    facts=nothing_drifts,
)  # fmt: skip

WEEK: Final[tuple[Act, ...]] = (
    ((_FEATURE,),),
    ((_PROMOTION,),),
    ((_BAD_SOCKET,), (_KILL_SWITCH, _DRIFT)),
    ((_BAD_PAGE,),),
    ((_ROTATION, _OLD_PEPPER),),
)

SCENES: Final = tuple(scene for act in WEEK for lane in act for scene in lane)
"""All of them, in an order in which they can also be played one by one."""

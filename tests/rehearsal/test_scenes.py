"""The chain of `make rehearse`, scene by scene, on a home with real Docker hosts; asked are the stores."""

from collections.abc import Iterator

import pytest

from rehearsal import home, monitor_host, outside, scenario, scenes
from rehearsal.scenes import Fact, Scene, SceneError, Stage, Verb
from tests.harness import DockerHome


@pytest.fixture(scope="module")
def stage(docker_home: DockerHome) -> Iterator[Stage]:
    monitor_host.name(docker_home.home, docker_home.images)
    outside.ensure(docker_home.home)
    for stack in home.STACKS:
        docker_home.up(stack)
        docker_home.adopt(stack)  # takes the import ids out again
    docker_home.home.logs.mkdir(exist_ok=True)
    yield Stage(docker_home.home, docker_home.hosts.socket)
    outside.stop(docker_home.folder)


@pytest.mark.parametrize("scene", scenes.SCENES, ids=lambda scene: scene.title)
def test_a_scene_ends_in_every_store_as_it_must(stage: Stage, scene: Scene) -> None:
    print(scenes.play(stage, scene))


def test_after_the_last_scene_both_stacks_are_stable(stage: Stage) -> None:
    for stack in home.STACKS:
        said = stage.run("pulumi", "preview", "--stack", stack, "--expect-no-changes", "--non-interactive")
        assert said.code == 0, said.text


def test_a_scene_whose_store_says_otherwise_fails_with_what_differs(stage: Stage) -> None:
    def facts(_: Stage) -> Iterator[Fact]:
        yield Fact("the domain", "2222222", "3333333")
        yield Fact("the image", "a", "a")

    with pytest.raises(SceneError, match=r"^the domain: '2222222', not '3333333'$"):
        scenes.play(stage, Scene(title="a lie", steps=(), facts=facts))


def test_each_scene_is_one_line_and_the_first_that_fails_is_the_last(stage: Stage) -> None:
    def scene(title: str, *facts: Fact) -> Scene:
        return Scene(title=title, steps=(), facts=lambda _: iter(facts))

    good = scene("good", Fact("it", 1, 1, "it is one"))
    chain = (good, scene("bad", Fact("it", 1, 2)), good)
    said: list[str] = []
    assert not scenes.play_all(chain, stage, said.append, scenario._say_line)
    assert [line.split()[:2] for line in said[:2]] == [["ok", "good"], ["FAIL", "bad"]]
    assert "it is one" in said[0]
    assert said[2].startswith("it: 1, not 2\nWhat was said: ")
    assert len(said) == 3


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (Verb(words="features battle=maybe --stack production --yes"), "ended with 1, not 0"),
        (Verb(words="features battle=maybe --stack production --yes", code=1, says="thanks"), "'thanks'"),
    ],
)
def test_a_verb_that_ends_or_speaks_otherwise_fails_the_scene(stage: Stage, verb: Verb, said: str) -> None:
    with pytest.raises(SceneError, match=said):
        scenes.play(stage, Scene(title="a mistake", steps=(verb,), facts=lambda _: iter(())))

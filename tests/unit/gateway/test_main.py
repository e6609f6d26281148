import socket
from collections.abc import Iterator

import pytest
import typer

from gateway.__main__ import Variant, serve

UPSTREAMS = "orders=127.0.0.1:9000"


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that is taken while the test runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("variant", "without", "message"),
    [
        (
            Variant.FIXED,
            "tasks",
            "Error: --without leaves out faults of the leaky variant (tasks, sessions, cache, history, cycles); "
            "fixed has none, so drop the option\n",
        ),
        (
            Variant.LEAKY,
            "task",
            "Error: --without: no fault 'task'; there are tasks, sessions, cache, history, cycles\n",
        ),
    ],
)
def test_bad_options(
    variant: Variant, without: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad option ends with status 2 and one line that names the valid ones."""
    with pytest.raises(typer.Exit) as ended:
        serve(variant=variant, port=1, upstreams=UPSTREAMS, without=without)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == message


def test_a_taken_port(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken ends with status 2 and one line that names it."""
    with pytest.raises(typer.Exit) as ended:
        serve(variant=Variant.LEAKY, port=taken_port, upstreams=UPSTREAMS)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == (
        f"Error: cannot listen on 127.0.0.1:{taken_port}: Address already in use (while attempting to bind on "
        f"address ('127.0.0.1', {taken_port})); choose another port or host\n"
    )

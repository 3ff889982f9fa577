from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sdgasnet.imaging.decoder_messages import captured_messages


def test_what_others_write_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_messages() as lines:
        os.write(2, b"first\nlibpng warning: iCCP: too short\nsecond without end")
    assert lines == ["libpng warning: iCCP: too short"]
    assert capfd.readouterr().err == "first\nsecond without end"


def test_standard_error_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), captured_messages():
        raise RuntimeError
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_threads_hear_their_own_lines_only(capfd: pytest.CaptureFixture[str]) -> None:
    heard: dict[int, list[str]] = {}

    def speak(number: int) -> None:
        for _ in range(20):
            with captured_messages() as lines:
                os.write(2, f"libpng warning: {number}\n".encode())
            heard.setdefault(number, []).extend(lines)

    threads = [threading.Thread(target=speak, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {number: [f"libpng warning: {number}"] * 20 for number in range(4)}
    assert capfd.readouterr().err == ""


def test_no_file_stays_open() -> None:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc to count open files in")
    before = len(list(folder.iterdir()))
    for _ in range(10):
        with captured_messages():
            pass
    assert len(list(folder.iterdir())) == before


def test_a_process_without_standard_error_reads_pictures_too() -> None:
    program = (
        "import os; os.close(2)\n"
        "from sdgasnet.imaging.decoder_messages import captured_messages\n"
        "with captured_messages() as lines: pass\n"
        "print(lines)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_more_lines_than_a_pipe_holds() -> None:
    with captured_messages() as lines:
        for _ in range(5000):
            os.write(2, b"libpng warning: bad chunk\n")
    assert len(lines) == 5000
    with captured_messages() as after:
        pass
    assert after == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_hears_itself_alone() -> None:
    with captured_messages():
        pass
    with captured_messages() as ours:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with captured_messages() as theirs:
            os.write(2, b"libpng warning: theirs\n")
        os.write(writing, str(len(theirs)).encode())
        os._exit(0)
    with captured_messages() as mine:
        os.waitpid(child, 0)
    assert os.read(reading, 10) == b"1"
    assert ours == mine == []

"""Mounts: host files and directories inside, what is created for them, and that nothing reaches the host."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import wait_for

pytestmark = pytest.mark.box


@pytest.fixture
def shared(person):
    folder = person.folder / "shared"
    (folder / "below").mkdir(parents=True)
    (folder / "file").write_text("host\n")
    person.own()
    return folder


def test_directories_and_files_are_mounted_where_the_image_has_nothing(person, shared):
    out = person.out("cat /new/deep/file /one.txt; echo back > /new/deep/back",
                     options=["--mount", f"{shared}:/new/deep", "--mount", f"{shared}/file:/one.txt"])
    assert out == "host\nhost\n"
    assert (shared / "back").read_text() == "back\n"
    assert (shared / "back").stat().st_uid == person.uid


def test_a_mount_covers_what_the_image_has(person, shared):
    assert person.out("cat /data/hello", options=["--mount", f"{shared}/file:/data/hello"]) == "host\n"
    assert person.out("ls /data", options=["--mount", f"{shared}:/data"]).split() == ["below", "file"]


def test_a_read_only_mount_cannot_be_written(person, shared):
    for target in ("/data", "/not/there"):
        done = person.shell(f"echo x > {target}/file", options=["--mount", f"{shared}:{target}:ro"])
        assert done.returncode != 0 and "Read-only" in done.stderr
    assert (shared / "file").read_text() == "host\n"


def test_a_read_only_root_still_gets_places_for_mounts(person, shared):
    person.write("shut", f'image = "{person.image}"\nwritable = false\nmounts = ["{shared}:/not/there"]\n')
    assert person.out("cat /not/there/file; echo x > /not/there/new", environment="shut") == "host\n"
    assert (shared / "new").exists()


def test_mounts_nest_whatever_their_order(person, shared):
    other = person.folder / "other"
    other.mkdir()
    (other / "inner").write_text("inner\n")
    person.own()
    out = person.out("cat /m/below/inner; ls /m",
                     options=["--mount", f"{other}:/m/below", "--mount", f"{shared}:/m"])
    assert out.split() == ["inner", "below", "file"]


def test_an_option_wins_over_the_file_at_the_same_place(person, shared):
    person.write("m", f'image = "{person.image}"\nmounts = ["{shared}/below:/m"]\n')
    assert person.out("ls /m", environment="m") == ""
    assert person.out("ls /m", environment="m", options=["--mount", f"{shared}:/m"]).split() == ["below", "file"]


def test_a_relative_source_is_the_callers(person, shared):
    assert person.out("cat /m/file", options=["--mount", "./shared:/m"], cwd=person.folder) == "host\n"


def test_temporary_places_can_be_mounted_over(person, shared):
    assert person.out("cat /tmp/in/file /run/f", options=["--mount", f"{shared}:/tmp/in",
                                                            "--mount", f"{shared}/file:/run/f"]) == "host\nhost\n"


@pytest.mark.parametrize("mount, said", [
    ("/no/such/place:/m", "/no/such/place"),
    ("{shared}:/data/hello", "directory cannot be mounted on a file"),
    ("{shared}/file:/data", "file cannot be mounted on a directory"),
    ("{shared}:/loop/x", "/loop/x"),
    ("{shared}:/data/hello/below", "/data/hello/below"),
])
def test_a_mount_that_cannot_be_made_is_named(person, shared, mount, said):
    done = person.shell("true", options=["--mount", mount.format(shared=shared)])
    assert done.returncode == 125
    assert said in done.stderr


def test_nothing_is_created_in_a_directory_of_the_host(person, shared):
    done = person.shell("true", options=["--mount", f"{shared}:/m", "--mount", f"{shared}:/m/below/new"])
    assert done.returncode == 125
    assert "create it on the host first" in done.stderr
    assert not (shared / "below/new").exists()


@pytest.mark.parametrize("link", ["z-escape", "z-absolute"])
def test_links_of_the_image_do_not_lead_out_of_it(person, shared, outside, link):
    before = sorted(outside.iterdir())
    done = person.shell("true", options=["--mount", f"{shared}:/{link}/new"])
    assert done.returncode == 125
    assert "leads nowhere" in done.stderr
    # With that path inside as well, the link leads there and no further.
    own = person.folder / "own"
    own.mkdir()
    out = person.out(f"cat /{link}/below/../file",
                     options=["--mount", f"{own}:{outside}", "--mount", f"{shared}:/{link}"])
    assert out == "host\n"
    assert sorted(outside.iterdir()) == before and not list(own.iterdir())


def test_an_image_made_of_links_harms_nobody(person, hostile_image, outside):
    person.write("bad", f'image = "{hostile_image}"\n')
    before = sorted(outside.iterdir())
    done = person.shell("true", environment="bad", options=["--mount", f"{person.home}:/etc/new"])
    assert done.returncode in (0, 125), done.stderr
    assert sorted(outside.iterdir()) == before


# --- what remains

def loops(image: Path):
    shown = subprocess.run(["/usr/sbin/losetup", "--list", "--noheadings", "--output", "NAME", "--associated", image],
                           capture_output=True, text=True, check=True)
    return shown.stdout.split()


def host_mounts():
    return Path("/proc/self/mountinfo").read_text().splitlines()


def test_a_killed_command_leaves_no_mount_and_no_loop_device(person):
    before = host_mounts()
    child = person.start("sh", "-c", "echo ready; sleep 600", stdout=subprocess.PIPE, text=True,
                         options=["--mount", f"{person.home}:/m"])
    assert child.stdout.readline() == "ready\n"
    assert host_mounts() == before
    inside = Path(f"/proc/{child.pid}/mountinfo").read_text()
    assert " / / " in inside and " /m " in inside
    child.kill()
    child.wait(30)
    wait_for("the loop device is free", lambda: not loops(person.image), within=30)
    assert host_mounts() == before


def test_many_commands_share_one_loop_device(root):
    children = [root.start("sh", "-c", "echo ready; sleep 600", stdout=subprocess.PIPE, text=True) for _ in range(12)]
    try:
        for child in children:
            assert child.stdout.readline() == "ready\n"
        used = loops(root.image)
        # Those that start at the very same moment may take one each.
        assert 1 <= len(used) < len(children)
        assert root.out("cat /data/hello") == "from the image\n"
        assert loops(root.image) == used
    finally:
        for child in children:
            child.kill()
            child.wait()
    wait_for("the loop devices are free", lambda: not loops(root.image), within=30)


def test_many_first_starts_of_a_user_extract_one_copy(user):
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: user.run("cat", "/data/hello"), range(6)))
    assert [d.stdout for d in done] == ["from the image\n"] * 6
    copies = [p.name for p in (user.root / "cache/environments").iterdir() if not p.name.startswith(".")]
    assert len(copies) == 1
    assert not list((user.root / "cache/environments").glob(".*.part"))


def test_a_copy_cut_off_by_a_kill_is_made_anew(user):
    user.out("true")
    folder = user.root / "cache/environments"
    copy = next(p for p in folder.iterdir() if not p.name.startswith("."))
    os.rename(copy, folder / f".{copy.name}.part")
    assert user.out("cat /data/hello") == "from the image\n"
    assert not list(folder.glob(".*.part"))


def test_the_death_signal_of_the_caller_stays(person):
    """As the job wrapper does: when it dies, the command dies."""
    script = (
        "import ctypes, os, signal, subprocess, sys, time\n"
        "def tie(): ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
        "child = subprocess.Popen(sys.argv[1:], preexec_fn=tie, stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline().strip(), flush=True)\n"
        "time.sleep(600)\n")
    command = person.argv("sh", "-c", "echo $$; exec sleep 600")[len(person.prefix()):]
    wrapper = subprocess.Popen([*person.prefix(), "/usr/bin/python3", "-c", script, *command], cwd="/",
                               env=person.variables, stdout=subprocess.PIPE, text=True)
    inner = int(wrapper.stdout.readline())
    wrapper.kill()
    wrapper.wait(30)
    wait_for("the command died with its wrapper", lambda: not Path(f"/proc/{inner}").exists(), within=30)


# --- unusual places

def test_an_environment_starts_inside_an_environment(person, image, place):
    options = ["--mount", "/usr:/usr:ro", "--mount", f"{place}:{place}", "--env", "LD_LIBRARY_PATH="]
    inner = person.argv("sh", "-c", "cat /data/hello; id -u; exit 9")[len(person.prefix()):]
    done = person.run("/bin/sh", "-c", 'PATH=/usr/sbin:/usr/bin:/bin exec "$@"', "sh", *inner, options=options)
    assert (done.stdout.split("\n")[:2], done.returncode) == (["from the image", str(person.uid)], 9), done.stderr


def test_long_and_odd_paths_work(make_person, person, image, place):
    folder = person.folder / ("d" * 150) / "with space, comma and 'quote'"
    deep = make_person(person.uid, folder)
    odd = folder / "image, of: odd\\name.sqsh"
    os.link(image, odd)
    deep.write("odd", f"image = {json.dumps(str(odd))}\nmounts = [{json.dumps(f'{folder}/home:/m')}]\n")
    assert deep.out("echo x > /m/file; cat /data/hello", environment="odd") == "from the image\n"
    assert (folder / "home/file").exists()


# --- bad images

@pytest.fixture
def spoil(person, image, place):
    def make(name, change):
        file = person.folder / f"{name}.sqsh"
        file.write_bytes(change(bytearray(image.read_bytes())))
        person.write(name, f'image = "{file}"\n')
        person.own()
        return person.shell("true", environment=name)
    return make


def test_a_truncated_image_is_refused_with_its_sizes(spoil, image):
    done = spoil("cut", lambda data: data[: len(data) // 2])
    assert done.returncode == 125
    assert "cut off" in done.stderr and "cut.sqsh" in done.stderr


@pytest.mark.parametrize("name, change", [
    ("garbage", lambda data: b"x" * 5000),
    ("empty", lambda data: b""),
    ("short", lambda data: data[:50]),
    ("zeroed", lambda data: b"hsqs" + bytes(len(data) - 4)),
])
def test_what_is_no_image_is_refused(spoil, name, change):
    done = spoil(name, change)
    assert done.returncode == 125
    assert "squashfs" in done.stderr and f"{name}.sqsh" in done.stderr


def test_an_image_with_damaged_tables_is_refused(spoil):
    def scribble(data):
        start = len(data) - 6000
        data[start:] = b"\xff" * (len(data) - start)
        return data
    done = spoil("scribbled", scribble)
    assert done.returncode == 125
    assert done.stderr


def test_it_works_in_a_chroot_and_nothing_leaks_from_there(root, tree, place):
    """The shared propagation that systemd sets, and a root directory that is no mount."""
    (tree / str(place).lstrip("/")).mkdir(parents=True, exist_ok=True)
    setup = "".join(f"mount --rbind {source} {tree}{source}; " for source in ("/usr", "/proc", "/sys", "/dev", place))
    inner = subprocess.list2cmdline(root.argv("cat", "/data/hello")).replace('"', "'")
    script = (f"{setup} cat /proc/self/mountinfo > $0.before; cd /tmp;"
              f"chroot {tree} /bin/busybox sh -c \"cd /data; PATH=/usr/sbin:/usr/bin:/bin {inner}; pwd\" || exit 1;"
              "cat /proc/self/mountinfo > $0.after")
    done = subprocess.run(["unshare", "--mount", "--propagation", "shared", "sh", "-ec", script, root.folder / "mounts"],
                          capture_output=True, text=True, timeout=60, env=root.variables, check=False)
    assert done.stdout.split("\n")[:2] == ["from the image", "/data"], done.stderr
    assert (root.folder / "mounts.before").read_text() == (root.folder / "mounts.after").read_text()

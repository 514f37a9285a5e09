"""sust run: the command's own status, signals, streams, terminal, directory; what it sees and what it may write."""

import os
import re
import signal
import subprocess

import pytest

pytestmark = pytest.mark.box


@pytest.mark.parametrize("status", [0, 1, 7, 124, 255])
def test_the_exit_status_is_the_commands(person, status):
    assert person.shell(f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_signal_ends_it_as_it_ends_the_command(person, number):
    assert person.shell(f"kill -{int(number)} $$").returncode == -number


def test_a_signal_to_it_is_the_commands(person):
    child = person.start("sh", "-c", "trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.01; done",
                         stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=30)[0] == "got it\n"
    assert child.returncode == 3


def test_a_broken_pipe_ends_the_command_quietly(person):
    child = person.start("yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.read(10)
    child.stdout.close()
    assert child.wait(30) == -signal.SIGPIPE
    assert child.stderr.read() == b""


def test_the_streams_are_the_commands(person):
    done = person.shell("cat; echo problem >&2", input="through\n", stdin=None)
    assert (done.stdout, done.stderr) == ("through\n", "problem\n")


def test_the_process_stays_the_same_one(person):
    child = person.start("sh", "-c", "echo $$", stdout=subprocess.PIPE, text=True)
    assert int(child.communicate(timeout=30)[0]) == child.pid


def test_only_the_standard_streams_are_open_in_it(person):
    assert person.out("ls /proc/$$/fd; true").split() == ["0", "1", "2"]


def test_the_terminal_is_the_commands(person):
    inner = subprocess.list2cmdline(person.argv("sh", "-c", "tty; stty size")).replace('"', "'")
    done = subprocess.run(["script", "-qefc", f"stty rows 33 cols 99; {inner}", "/dev/null"], capture_output=True,
                          text=True, timeout=60, env=person.variables, cwd="/", stdin=subprocess.DEVNULL)
    assert re.fullmatch(r"/dev/pts/\d+\s+33 99\s*", done.stdout), done.stdout


def test_arguments_arrive_as_they_are(person):
    words = ["", "--", "-x", "[a,b]", "a b", "%1", "--json", "'", "\n", "ü"]
    done = person.run("sh", "-c", 'for a; do printf "<%s>" "$a"; done', "sh", *words)
    assert done.stdout == "".join(f"<{word}>" for word in words)


def test_the_umask_is_the_callers(person):
    assert person.out("umask", umask=0o027).strip() == "0027"


@pytest.mark.parametrize("command, status, said", [
    ("no-such-command", 127, "no command 'no-such-command'"),
    ("/bin/nothing", 127, "no command '/bin/nothing'"),
    ("no-interpreter", 127, "interpreter"),
    ("not-executable", 126, "Permission denied"),
    ("/data", 126, "Permission denied"),
])
def test_what_cannot_be_executed_says_why(person, command, status, said):
    done = person.run(command)
    assert done.returncode == status
    assert said in done.stderr


# --- the working directory

def test_the_working_directory_is_the_callers_where_it_exists_inside(person):
    assert person.out("pwd", cwd="/data" if os.path.isdir("/data") else "/usr").strip() in ("/data", "/usr")
    assert person.out("pwd", cwd=person.folder).strip() == "/"
    here = person.folder
    assert person.out("pwd; pwd -P", cwd=here, options=["--mount", f"{here}:{here}"]).split() == [str(here)] * 2


def test_a_working_directory_that_was_asked_for_must_exist(person):
    assert person.out("pwd", options=["--workdir", "/data"]).strip() == "/data"
    done = person.shell("pwd", options=["--workdir", "/nowhere"])
    assert done.returncode == 125
    assert "/nowhere" in done.stderr and "--mount" in done.stderr


# --- who it is

def test_the_user_is_the_caller_and_has_a_name(person):
    assert person.out("id -u; id -g").split() == [str(person.uid)] * 2
    assert re.fullmatch(r"[a-z]\S*", person.out("whoami").strip())


def test_capabilities_are_the_callers(person):
    def effective(text):
        return re.search(r"CapEff:\s*(\w+)", text)[1]
    host = subprocess.run([*person.prefix(), "cat", "/proc/self/status"], capture_output=True, text=True, check=True)
    assert effective(person.out("cat /proc/self/status")) == effective(host.stdout)


def test_names_of_the_host_are_known_inside(person):
    assert person.out("cat /etc/hostname").strip() == os.uname().nodename
    assert "localhost" in person.out("cat /etc/hosts")
    if os.path.exists("/etc/resolv.conf"):
        assert person.out("cat /etc/resolv.conf") == open("/etc/resolv.conf").read()


def test_devices_processes_and_shared_memory_are_there(person):
    script = "echo x > /dev/null && head -c 1 /dev/urandom | wc -c && ls -d /proc/self /sys/kernel && stat -f -c %T /dev/shm"
    assert person.out(script).split() == ["1", "/proc/self", "/sys/kernel", "tmpfs"]


# --- writing

def test_a_writable_root_is_fresh_for_every_command(person):
    person.write("open", f'image = "{person.image}"\nwritable = true\n')
    script = "test ! -e /data/new && echo mine > /data/new && echo changed > /data/hello && rm /etc/group && cat /data/*"
    for _ in range(2):
        assert person.out(script, environment="open") == "changed\nmine\n"


def test_a_directory_can_be_replaced_in_a_writable_root(person):
    assert person.out("rm -r /data && mkdir /data && ls /data", environment="box") == ""


def test_a_read_only_root_leaves_tmp_run_and_shm_writable(person):
    person.write("shut", f'image = "{person.image}"\nwritable = false\n')
    for path in ("/new", "/data/hello", "/etc/hostname"):
        done = person.shell(f"echo x > {path}", environment="shut")
        assert done.returncode != 0 and "Read-only" in done.stderr
    folders = "/tmp /dev/shm" + (" /run" if person.uid == 0 else "")
    person.out(f"for d in {folders}; do echo x > $d/new || exit 1; done", environment="shut")


# --- environment variables

def test_variables_are_the_callers_then_the_files_then_the_options(person):
    person.write("vars", f"""image = "{person.image}"
[env]
FROM_FILE = "file of ${{WHO}}"
BOTH = "file"
GONE = ""
""")
    person.variables |= {"WHO": "ana", "GONE": "here", "KEPT": "kept"}
    out = person.out('echo "$KEPT,$FROM_FILE,$BOTH,${GONE-unset},$EMPTY."', environment="vars",
                     options=["--env", "BOTH=option", "--env", "EMPTY="])
    assert out.strip() == "kept,file of ana,option,unset,."


def test_an_unset_variable_is_named_with_its_file(person):
    person.write("vars", f'image = "{person.image}"\nworkdir = "/${{NOT_SET_AT_ALL}}"\n')
    done = person.shell("true", environment="vars")
    assert done.returncode == 125
    assert "NOT_SET_AT_ALL" in done.stderr and "vars.toml" in done.stderr


def test_a_command_is_found_without_a_path_of_the_caller(person):
    del person.variables["PATH"]
    assert person.prefix() == [] or person.program.is_absolute()
    assert person.out("echo $PATH").strip().endswith("/bin")


# --- environment files

def test_a_base_environment_is_laid_under_the_file(person):
    person.write("site", f'image = "{person.image}"\nworkdir = "/data"\n[env]\nA = "site"\nB = "site"\n')
    person.write("mine", 'base_environment = "site"\n[env]\nB = "mine"\n')
    assert person.out('pwd; echo "$A $B"', environment="mine").split() == ["/data", "site", "mine"]


def test_a_chain_of_base_environments_is_refused_with_what_to_write(person):
    person.write("one", f'image = "{person.image}"\n')
    person.write("two", 'base_environment = "one"\n')
    person.write("three", 'base_environment = "two"\n')
    done = person.shell("true", environment="three")
    assert done.returncode == 125
    assert '["one", "two"]' in done.stderr and "three.toml" in done.stderr


def test_a_file_is_taken_by_its_path(person):
    file = person.folder / "here.toml"
    file.write_text(f'image = "{person.image}"\n')
    assert person.out("echo yes", environment=file) == "yes\n"
    assert person.out("echo yes", environment="./here.toml", cwd=person.folder) == "yes\n"


@pytest.mark.parametrize("name, text, said", [
    ("boxx", None, "did you mean 'box'"),
    ("typo", 'imagee = "x"', "typo.toml:1:1"),
    ("none", "workdir = '/'", "no image"),
    ("broken", "image = ", "broken.toml:1"),
    ("absent", 'image = "/no/such/image.sqsh"', "/no/such/image.sqsh"),
    ("unknown", 'image = "nonesuch"', "nonesuch"),
    ("based", 'base_environment = "nonesuch"', "nonesuch"),
    ("mount", 'image = "x.sqsh"\nmounts = ["/a:b"]', "/a:b"),
])
def test_an_environment_that_does_not_work_says_why(person, name, text, said):
    if text:
        person.write(name, text + "\n")
    done = person.shell("true", environment=name)
    assert done.returncode == 125
    assert said in done.stderr
    assert done.stdout == ""

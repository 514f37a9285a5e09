"""Accounting: slurmdbd before a MariaDB that nobody else uses."""

import pwd
import shutil
import subprocess

from labs.slurm.configuration import CLUSTER
from labs.slurm.users import JOB_USERS, SERVICE_USER, as_user
from labs.slurm.waiting import LabError

ACCOUNT = "lab"
SCHEMA = "slurm_acct_db"
SMALL = ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M"]


class Database:
    """`slurmdbd` can be stopped and started by tests; the controller keeps what it has to say until it is back."""

    def __init__(self, lab):
        self.lab = lab
        self.folder = lab.slot.memory  # on a disk it takes three times as long to make
        self.socket = self.folder / "socket"
        # MariaDB has no port: its client library finds the socket by this variable, for the host "localhost".
        reach = {"MYSQL_UNIX_PORT": str(self.socket)}
        self.mariadbd = lab.daemon("mariadbd", as_user(SERVICE_USER) + self.mariadbd_argv(), ready=self.answers)
        self.slurmdbd = lab.daemon("slurmdbd", [*lab.programs.argv("slurmdbd"), "-D"], ready=self.serves, environment=reach)

    def mariadbd_argv(self):
        return ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.socket}",
                f"--pid-file={self.folder}/pid", "--skip-networking", "--innodb-lock-wait-timeout=900", *SMALL]

    def start(self):
        """Made from nothing, before the controller starts."""
        self.install()
        self.mariadbd.start()
        self.sql(f"create database {SCHEMA}; create user slurm@localhost identified by 'lab';"
                 f" grant all on {SCHEMA}.* to slurm@localhost;")
        self.lab.configuration.text("slurmdbd.conf", self.slurmdbd_conf(), 0o600)  # slurmdbd insists on the mode
        self.slurmdbd.start()
        self.manage("add", "cluster", CLUSTER)
        self.manage("add", "account", ACCOUNT, f"cluster={CLUSTER}")
        self.manage("add", "user", ",".join(("root", *JOB_USERS)), f"account={ACCOUNT}")

    def install(self):
        """Data and socket lie in a directory of MariaDB's own user: it refuses to be root."""
        self.folder.mkdir()
        shutil.chown(self.folder, SERVICE_USER, pwd.getpwnam(SERVICE_USER).pw_gid)
        argv = ["mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
                "--auth-root-authentication-method=normal", *SMALL]
        done = subprocess.run(as_user(SERVICE_USER) + argv, capture_output=True, text=True, cwd=self.folder)
        if done.returncode != 0:
            raise LabError(f"mariadb-install-db: {done.stdout}{done.stderr}")

    def query(self, text: str):
        return subprocess.run(["mariadb", "--no-defaults", "--user=root", f"--socket={self.socket}", "-e", text],
                              capture_output=True, text=True)

    def sql(self, text: str):
        done = self.query(text)
        if done.returncode != 0:
            raise LabError(f"mariadb: {done.stderr}")

    def answers(self) -> bool:
        return self.socket.exists() and self.query("select 1").returncode == 0

    def serves(self) -> bool:
        return self.lab.run("sacctmgr", "-n", "show", "cluster", check=False).returncode == 0

    def manage(self, *words: str):
        self.lab.run("sacctmgr", "-i", *words)

    def slurmdbd_conf(self) -> str:
        settings = {
            **self.lab.programs.settings(),
            **self.lab.configuration.authentication(),
            "DbdHost": "localhost",
            "DbdPort": self.lab.slot.port("slurmdbd"),
            "SlurmUser": "root",
            "LogFile": self.lab.directory / "log/slurmdbd.log",
            "PidFile": self.lab.directory / "run/slurmdbd.pid",
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "localhost",
            "StorageUser": "slurm",
            "StoragePass": "lab",
            "StorageLoc": SCHEMA,
            "CommitDelay": 1,
        }
        settings.pop("CredType")  # a setting of slurm.conf only
        return "".join(f"{key}={value}\n" for key, value in settings.items())

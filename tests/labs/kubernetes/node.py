"""One node: a machine made of namespaces with its own containerd and kubelet.

Its first process owns network, host name, mounts and process numbers. When that process dies the
kernel ends every other one and drops mounts and network, as when a machine loses power.
"""

import json
import shutil
import subprocess
from pathlib import Path

from conftest import wait_for
from labs.kubernetes import network
from labs.kubernetes.daemon import ENVIRONMENT, Daemon
from labs.kubernetes.images import PAUSE
from labs.kubernetes.leftovers import remove_cgroups_of_node
from labs.kubernetes.place import Place

# kubelet sets these for its machine, which here is everybody's: it gets files to write to instead.
TUNED = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
         "kernel/keys/root_maxkeys": 1000000, "kernel/keys/root_maxbytes": 25000000}
BOOT = """
set -e
hostname {name}
{binds}
echo 1 >/proc/sys/net/ipv4/ip_forward
touch /run/booted
exec /run/lab/bin/pause
"""
CONTAINERD = """
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/run/lab/cni"
"""


def kubelet_settings(authority: Path) -> dict:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "readOnlyPort": 0, "healthzPort": 0, "resolvConf": "/dev/null", "failSwapOn": False,
        # Several kubelets share one tree of cgroups: with a tree of pods each would end the others' pods.
        "cgroupDriver": "cgroupfs", "cgroupsPerQOS": False, "enforceNodeAllocatable": [],
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": str(authority)}},
        "authorization": {"mode": "Webhook"}, "makeIPTablesUtilChains": False,
        "nodeStatusUpdateFrequency": "2s", "nodeStatusReportFrequency": "10s", "nodeLeaseDurationSeconds": 8,
        "syncFrequency": "5s", "imageGCHighThresholdPercent": 100,
        "evictionHard": {"nodefs.available": "0%", "imagefs.available": "0%", "memory.available": "10Mi"}}


class Node:
    """Number 1 and up; made and ended by the lab, hurt by tests."""

    def __init__(self, place: Place, number: int, programs: Path, count: int):
        self.place = place
        self.number = number
        self.name = f"k{number}"
        self.address = place.address(number)
        self.folder = place.folder / f"node{number}"
        self.programs = programs
        self.others = [other for other in range(1, count + 1) if other != number]
        self.init = self.daemon("init", ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork",
                                         "--kill-child", "--mount-proc", "sh", "-c", self.boot_script()], forks=True)
        self.containerd = self.daemon("containerd", ["containerd", "--config", "/run/lab/containerd.toml"],
                                      inside=self.first_process)
        self.kubelet = self.daemon("kubelet", [
            "/run/lab/bin/kubelet", "--config=/run/lab/kubelet.json", "--kubeconfig=/run/lab/kubeconfig",
            "--container-runtime=remote", "--container-runtime-endpoint=unix:///run/containerd/containerd.sock",
            f"--hostname-override={self.name}", f"--node-ip={self.address}", "--node-labels=sust.lab/real=true"],
            inside=self.first_process)

    def daemon(self, name: str, argv, **how) -> Daemon:
        return Daemon(self.place.folder, f"{self.name}-{name}", argv, **how)

    def first_process(self) -> int:
        assert self.init.alive, f"node {self.name} is lost"
        return self.init.known["pid"]

    def boot_script(self) -> str:
        lab = self.folder / "lab"
        binds = [f"mount --bind {lab}/tuned/{name.replace('/', '.')} /proc/sys/{name}" for name in TUNED]
        binds += [f"mount --bind {self.programs} {lab}/bin"]
        # The last ones hide what lies beneath, perhaps this lab's own directory.
        binds += [f"mount --rbind {lab} {self.folder}/run/lab"]
        binds += [f"mount --rbind {self.folder}/{path} /{path}" for path in ("var/lib", "var/log")]
        binds += [f"mount --rbind {self.folder}/run /run"]
        return BOOT.format(name=self.name, binds="\n".join(binds))

    def write_settings(self, kubeconfig: Path, authority: Path):
        """What a machine has on its disk before it is switched on."""
        lab = self.folder / "lab"
        for name in ("bin", "tuned", "cni"):
            (lab / name).mkdir(parents=True)
        for name in ("var/lib", "var/log"):
            (self.folder / name).mkdir(parents=True)
        for name, value in TUNED.items():
            (lab / "tuned" / name.replace("/", ".")).write_text(f"{value}\n")
        shutil.copy2(kubeconfig, lab / "kubeconfig")
        shutil.copy2(authority, lab / "ca.crt")
        (lab / "kubelet.json").write_text(json.dumps(kubelet_settings(Path("/run/lab/ca.crt"))))
        (lab / "containerd.toml").write_text(CONTAINERD.format(pause=PAUSE))
        (lab / "cni/10-lab.conflist").write_text(json.dumps({
            "cniVersion": "0.4.0", "name": "lab", "plugins": [{
                "type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": {
                    "type": "host-local", "ranges": [[{"subnet": self.place.pod_range(self.number)}]],
                    "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}}]}))

    def boot(self):
        """Switches the machine on: namespaces, cable, containerd. Returns when containerd answers."""
        shutil.rmtree(self.folder / "run", ignore_errors=True)  # as a machine's /run, empty at each start
        (self.folder / "run/lab").mkdir(parents=True)
        self.init.start()
        wait_for(f"{self.name} to boot, see {self.init.log}", lambda: (self.folder / "run/booted").exists(), 20)
        network.plug(self.place, self.number, self.first_process(), self.others)
        self.containerd.start()
        wait_for(f"{self.containerd.name}, see {self.containerd.log}", lambda: self.ctr("version").returncode == 0)

    def ctr(self, *words):
        return subprocess.run(["ctr", "--address", self.folder / "run/containerd/containerd.sock",
                               "--namespace", "k8s.io", *map(str, words)], capture_output=True, text=True,
                              env=ENVIRONMENT, timeout=120)

    def load_image(self, archive: Path):
        done = self.ctr("images", "import", archive)
        assert done.returncode == 0, f"{self.name} can't import {archive}: {done.stderr}"

    def lose(self):
        """Power off without warning: nothing of the node runs on, nothing is said to anybody."""
        self.init.kill()
        network.unplug(network.cable(self.place, self.number))
        for daemon in (self.containerd, self.kubelet):
            daemon.kill()
        remove_cgroups_of_node(self.folder)

    def recover(self):
        """Power on: the same disk, and no container runs."""
        self.boot()
        self.kubelet.start()

    def cut(self):
        """The network loses the node; its pods go on."""
        network.set_cable(self.place, self.number, "down")

    def mend(self):
        network.set_cable(self.place, self.number, "up")

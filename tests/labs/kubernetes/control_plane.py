"""etcd, API server, controller manager and scheduler of one lab: what each is told."""

from labs.kubernetes.daemon import Daemon
from labs.kubernetes.place import Place

SERVICES = "10.96.0.0/16"
SERVICE_ADDRESS = "IP:10.96.0.1"


def etcd(place: Place) -> Daemon:
    client, peer = (f"http://127.0.0.1:{place.port(name)}" for name in ("etcd", "etcd-peer"))
    return Daemon(place.folder, "etcd", [
        "etcd", f"--data-dir={place.folder}/etcd",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
        "--log-level=warn"])


def serving_names(address: str):
    return sorted({f"IP:{address}", "IP:127.0.0.1", SERVICE_ADDRESS, "DNS:localhost", "DNS:kubernetes.default.svc"})


def apiserver(place: Place, programs, authority, credentials, address: str, watch_cache: bool) -> Daemon:
    serving = authority.issue("apiserver", "/CN=kube-apiserver", serving_names(address))
    # logs and exec: the API server is a client of each kubelet, as an administrator.
    to_kubelet = authority.issue("apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client")
    here = address.startswith("127.")
    return Daemon(place.folder, "apiserver", [
        programs / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{place.port('etcd')}",
        f"--bind-address={address}", f"--secure-port={place.port('apiserver')}",
        f"--advertise-address={address}", f"--endpoint-reconciler-type={'none' if here else 'lease'}",
        f"--tls-cert-file={serving}", f"--tls-private-key-file={authority.key('apiserver')}",
        f"--cert-dir={place.folder}/pki", f"--client-ca-file={authority.certificate}",
        f"--token-auth-file={credentials.token_file}", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={authority.public_key('service-account')}",
        f"--service-account-signing-key-file={authority.key('service-account')}",
        f"--service-cluster-ip-range={SERVICES}", "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={to_kubelet}", f"--kubelet-client-key={authority.key('apiserver-kubelet')}",
        # A lost node's pods are replaced in seconds, not in five minutes.
        "--default-not-ready-toleration-seconds=5", "--default-unreachable-toleration-seconds=5",
        f"--watch-cache={str(watch_cache).lower()}", "--profiling=false", "--enable-priority-and-fairness=false"])


def controllers(place: Place, programs, authority, credentials, node_grace: int) -> Daemon:
    return Daemon(place.folder, "controller-manager", [
        programs / "kube-controller-manager", f"--kubeconfig={credentials.kubeconfig('controller-manager')}",
        "--port=0", "--secure-port=0", "--leader-elect=false", "--controllers=*,-ttl",
        f"--service-account-private-key-file={authority.key('service-account')}",
        f"--root-ca-file={authority.certificate}", "--allocate-node-cidrs=false",
        "--node-monitor-period=1s", f"--node-monitor-grace-period={node_grace}s",
        # With its limits on evictions a cluster of two nodes that lost one would evict late or never.
        "--node-eviction-rate=100", "--secondary-node-eviction-rate=100", "--large-cluster-size-threshold=0",
        "--unhealthy-zone-threshold=0.99"])


def scheduler(place: Place, programs, credentials) -> Daemon:
    return Daemon(place.folder, "scheduler", [
        programs / "kube-scheduler", f"--kubeconfig={credentials.kubeconfig('scheduler')}",
        "--port=0", "--secure-port=0", "--leader-elect=false"])

"""Who may ask the API server for what: tokens, certificates, and a kubeconfig for each way to prove it."""

import base64
import secrets
from pathlib import Path

NAMESPACE = "team"
# name: (subject of the certificate, group in the token file)
USERS = {"admin": ("/O=system:masters/CN=admin", "system:masters"), "limited": ("/CN=limited", "")}
COMPONENTS = {"controller-manager": ("system:kube-controller-manager", "system:masters"),
              "scheduler": ("system:kube-scheduler", "")}
LONG_AGO = ("20200101000000Z", "20200102000000Z")

KUBECONFIG = """apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {authority}
    server: {server}
  name: lab
contexts:
- context:
    cluster: lab
    namespace: {namespace}
    user: {user}
  name: {user}@lab
current-context: {user}@lab
kind: Config
preferences: {{}}
users:
- name: {user}
  user:
{proof}"""
EXEC = """    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - {token}
      command: {program}
      env: null
      provideClusterInfo: false
"""
PLUGIN = """#!/bin/sh
# Prints the credential in the file named first, and counts its calls.
echo called >>"$0.calls"
printf '{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"%s"}}\\n' \\
    "$(cat "$1")"
"""


def encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


class Credentials:
    """Made before the API server starts, which reads the tokens once."""

    def __init__(self, folder: Path, authority, server: str, nodes):
        self.folder = folder
        self.authority = authority
        self.server = server
        folder.mkdir(mode=0o700)
        self.tokens = {}
        lines = [self.token_line(user, user, group) for user, (_, group) in USERS.items()]
        lines += [self.token_line(name, user, group) for name, (user, group) in COMPONENTS.items()]
        lines += [self.token_line(node, f"system:node:{node}", "system:nodes") for node in nodes]
        self.token_file = folder / "tokens.csv"
        self.token_file.write_text("".join(lines))

    def token_line(self, name: str, user: str, group: str) -> str:
        self.tokens[name] = secrets.token_hex(16)
        return f'{self.tokens[name]},{user},{name},"{group}"\n'

    def kubeconfig(self, user="admin", proof="token", server=None) -> Path:
        """A file as kubectl writes it. `proof`: token, token-file, certificate, expired, exec or wrong."""
        name = f"{user}-{proof}" + (f"-{server.rpartition(':')[2]}" if server else "")
        file = self.folder / f"{name}.yaml"
        namespace = NAMESPACE if user == "limited" else "default"
        file.write_text(KUBECONFIG.format(authority=encoded(self.authority.certificate), server=server or self.server,
                                          namespace=namespace, user=user, proof=self.proof(user, proof)))
        file.chmod(0o600)
        return file

    def proof(self, user: str, kind: str) -> str:
        if kind == "token":
            return f"    token: {self.tokens[user]}\n"
        if kind == "wrong":
            return f"    token: {secrets.token_hex(16)}\n"
        if kind == "token-file":
            return f"    tokenFile: {self.secret(user)}\n"
        if kind == "exec":
            return EXEC.format(token=self.secret(user), program=self.plugin())
        assert kind in ("certificate", "expired"), f"no kubeconfig with '{kind}'"
        return self.certificate_proof(user, expired=kind == "expired")

    def certificate_proof(self, user: str, expired: bool) -> str:
        name = f"{user}-expired" if expired else user
        dates = {"dates": LONG_AGO} if expired else {}
        certificate = self.authority.issue(name, USERS[user][0], **dates)
        return (f"    client-certificate-data: {encoded(certificate)}\n"
                f"    client-key-data: {encoded(self.authority.key(name))}\n")

    def secret(self, user: str) -> Path:
        file = self.folder / f"{user}.token"
        file.write_text(self.tokens[user])
        file.chmod(0o600)
        return file

    def plugin(self) -> Path:
        """The program of the exec variant; PROGRAM.calls has a line for each time it ran."""
        program = self.folder / "credential-plugin"
        program.write_text(PLUGIN)
        program.chmod(0o700)
        return program

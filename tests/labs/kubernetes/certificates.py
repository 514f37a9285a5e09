"""The lab's certificate authority and what it signs, made with openssl."""

import subprocess
from pathlib import Path

# `openssl ca` is the only one of its commands that takes both dates.
AUTHORITY = """
[ca]
default_ca = lab
[lab]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = anything
unique_subject = no
copy_extensions = copy
[anything]
organizationName = optional
commonName = supplied
"""


class Authority:
    """Signs for one lab; keys are P-256 because RSA keys take a second each."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)
        folder.chmod(0o700)
        self.certificate = folder / "ca.crt"
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01\n")
        (folder / "ca.conf").write_text(AUTHORITY.format(folder=folder))
        self.openssl("req", "-x509", "-new", "-key", self.key("ca"), "-days", "3650", "-subj", "/CN=sust-lab-ca",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature", "-out", self.certificate)

    def openssl(self, *words):
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, f"openssl {words[0]}: {done.stderr}"

    def key(self, name: str) -> Path:
        """A private key file, made on first use."""
        file = self.folder / f"{name}.key"
        if not file.exists():
            self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)
        return file

    def issue(self, name: str, subject: str, addresses=(), dates=("20200101000000Z", "20490101000000Z")) -> Path:
        """A certificate for servers (with addresses) and clients; `dates` are its first and last moment."""
        request = self.folder / f"{name}.csr"
        extensions = ["-addext", f"subjectAltName={','.join(addresses)}"] if addresses else []
        self.openssl("req", "-new", "-key", self.key(name), "-subj", subject, *extensions, "-out", request)
        certificate = self.folder / f"{name}.crt"
        self.openssl("ca", "-batch", "-notext", "-config", self.folder / "ca.conf", "-cert", self.certificate,
                     "-keyfile", self.key("ca"), "-startdate", dates[0], "-enddate", dates[1],
                     "-in", request, "-out", certificate)
        return certificate

    def public_key(self, name: str) -> Path:
        file = self.folder / f"{name}.pub"
        self.openssl("pkey", "-in", self.key(name), "-pubout", "-out", file)
        return file

"""Certificates of an authority of our own, and a listener that shows one."""

import ssl
import subprocess

CA_CONFIG = """\
[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = policy
unique_subject = no
copy_extensions = copy
[policy]
commonName = supplied
"""


class Authority:
    """Issues certificates with OpenSSL; `pem` is what to trust."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.pem = folder, folder / "ca.pem"
        (folder / "ca.cnf").write_text(CA_CONFIG)
        (folder / "index").touch()
        self._openssl("req", "-x509", *self._key("ca"), "-subj", f"/CN={folder.name}", "-days", "30", "-out", "ca.pem")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=30)

    @staticmethod
    def _key(name):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"

    def issue(self, name, alternatives="DNS:localhost,IP:127.0.0.1", until="20990101000000Z"):
        """Files of a certificate and its key."""
        names = f"subjectAltName={alternatives}"
        self._openssl("req", "-new", *self._key(name), "-subj", f"/CN={name}", "-addext", names, "-out", f"{name}.csr")
        self._sign(f"{name}.csr", f"{name}.pem", until)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _sign(self, request, certificate, until="20990101000000Z"):
        self._openssl(
            "ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key",
            "-startdate", "20200101000000Z", "-enddate", until, "-in", request, "-out", certificate,
        )

    def issue_intermediate(self, folder):
        """An authority whose own certificate is of this one."""
        authority = Authority(folder)
        self._openssl(
            "req", "-new", "-key", folder / "ca.key", "-subj", f"/CN={folder.name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-out", f"{folder.name}.csr",
        )
        self._sign(f"{folder.name}.csr", authority.pem)
        return authority

    def trust(self):
        """What a client needs that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.pem)


def tls_listener(config, files):
    """The configuration, with TLS on its listener."""
    return config.replace("0 }]", f"0, tls: {{ cert_file: {files[0]}, key_file: {files[1]} }} }}]", 1)

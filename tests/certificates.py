"""Certificates for tests: an authority of our own and what it signed."""

import subprocess
from pathlib import Path

from servers import need_program

__all__ = ["Certificates"]


class Certificates:
    """An authority of our own and what it signed, made with openssl.

    Args:
        directory: Where the files go.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._openssl = need_program("openssl")
        self.ca = self.authority("ca")

    def authority(self, name: str) -> Path:
        """The certificate of a new authority; its key lies beside it."""
        made = self._directory / f"{name}.crt"
        self._run("req", "-x509", *_key(made), "-out", made, "-subj", f"/CN={name}", "-days", 2)
        return made

    def certificate(self, name: str, *, names: str = "DNS:localhost,IP:127.0.0.1", days: int = 2) -> Path:
        """A certificate for `names`, signed by the authority; its key lies beside it. `days` below 0: expired."""
        made = self._directory / f"{name}.crt"
        request, said = made.with_suffix(".csr"), made.with_suffix(".txt")
        said.write_text(f"subjectAltName={names}\n")
        self._run("req", *_key(made), "-out", request, "-subj", f"/CN={name}")
        signed_by = ("-CA", self.ca, "-CAkey", self.ca.with_suffix(".key"), "-CAcreateserial")
        self._run("x509", "-req", "-in", request, *signed_by, "-days", days, "-extfile", said, "-out", made)
        return made

    def _run(self, *words: object) -> None:
        subprocess.run([self._openssl, *map(str, words)], check=True, capture_output=True, timeout=60)


def _key(made: Path) -> tuple[str, ...]:
    """A new key beside the certificate."""
    curve = ("-pkeyopt", "ec_paramgen_curve:prime256v1")
    return ("-newkey", "ec", *curve, "-nodes", "-keyout", str(made.with_suffix(".key")))

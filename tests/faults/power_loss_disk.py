"""A disk whose power can be cut: an image on a loop device, of which only what was really written is left."""

from pathlib import Path

from mounts import command

__all__ = ["Disk"]


class Disk:
    """A file system in an image file. What processes wrote reaches the image when they, or the kernel, flush it.

    The kernel would flush by itself every five seconds; the mount asks it to wait five minutes, so that what is in
    the image is what was flushed on purpose.
    """

    def __init__(self, folder: Path, megabytes: int = 512) -> None:
        """An empty disk, kept in `folder` and mounted at `folder/disk`."""
        self._image = folder / "power.img"
        self.path = folder / "disk"
        self.path.mkdir()
        with self._image.open("wb") as image:
            image.truncate(megabytes << 20)
        command("mkfs.ext4", "-q", self._image)
        self._mount()

    def _mount(self) -> None:
        command("mount", "-o", "loop,commit=300", self._image, self.path)

    def flush(self) -> None:
        """What was written so far is on the disk, as what was written long ago always is."""
        command("sync", "--file-system", self.path)

    def photograph(self) -> None:
        """Keep what is on the disk at this moment; whoever writes to it must be stopped."""
        command("cp", "--sparse=always", self._image, f"{self._image}.then")

    def cut(self) -> None:
        """The disk is as it was when it was photographed, at the same path; nobody may use it meanwhile."""
        self.close()
        Path(f"{self._image}.then").rename(self._image)
        self._mount()

    def close(self) -> None:
        """Take it away."""
        command("umount", self.path)

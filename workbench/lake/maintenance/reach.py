"""Which files a snapshot reaches: its manifest list, its manifests, their data files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestFile, read_manifest_list


@dataclass
class Reached:
    """Files by kind; locations as the metadata spells them."""

    manifest_lists: set[str] = field(default_factory=set)
    manifests: dict[str, ManifestFile] = field(default_factory=dict)

    def data_files(self, io: FileIO, besides: Iterable[str] = ()) -> set[str]:
        """Return the live data and delete files of the manifests, except those of `besides`."""
        skipped = set(besides)
        return {
            entry.data_file.file_path
            for path, manifest in self.manifests.items()
            if path not in skipped
            for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)
        }


def reached(io: FileIO, manifest_lists: Iterable[str]) -> Reached:
    """Return what these manifest lists reach.

    Raises
    ------
    OSError, ValueError
        Where one of them cannot be read: nothing may be deleted then.
    """
    found = Reached()
    for location in manifest_lists:
        found.manifest_lists.add(location)
        for manifest in read_manifest_list(io.new_input(location)):
            found.manifests.setdefault(manifest.manifest_path, manifest)
    return found


def remove_files(io: FileIO, locations: Iterable[str]) -> tuple[int, str | None]:
    """Delete files; return how many went, and what is said of those that did not."""
    done, note = 0, None
    for location in locations:
        try:
            io.delete(location)
            done += 1
            if location.startswith("file:"):
                # Flink writes through Hadoop, which keeps a checksum beside a local file.
                folder, _, name = location.rpartition("/")
                io.delete(f"{folder}/.{name}.crc")
        except FileNotFoundError:
            continue
        except OSError as error:
            note = f"files left: {location}: {error.strerror or error}"
    return done, note

"""A header block whose fields a filter adds, changes and removes by their places.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_mail.message.header import FIELD


class HeaderEdit:
    """Lines that are no field stay where they are, and nobody sees them."""

    def __init__(self, header: bytes, *, leading_space: bool) -> None:
        """*leading_space*: values have all that stands after the colon, else without the first space."""
        self._leading_space = leading_space
        self._lines: list[tuple[bytes, bytes]] = []
        """Name in lower case (empty: no field), and the whole field with its line ends."""
        self.is_changed = False
        position, end = 0, len(header) - (header == b"\n" or header.endswith(b"\n\n"))
        while position < end:
            match = FIELD.match(header, position, end)
            stop = match.end() if match else header.find(b"\n", position, end) + 1 or end
            self._lines.append((match.group(1).lower() if match else b"", header[position:stop]))
            position = stop

    def fields(self) -> Iterator[tuple[bytes, bytes]]:
        """Name as it is written, and value: inner line ends are LF, the last one is left out."""
        for name, line in self._lines:
            if name:
                value = line.partition(b":")[2].removesuffix(b"\n")
                yield line[: len(name)], value if self._leading_space else value.removeprefix(b" ")

    def add(self, name: bytes, value: bytes) -> None:
        """At the end."""
        self.insert(len(self._lines), name, value)

    def insert(self, position: int, name: bytes, value: bytes) -> None:
        self._lines.insert(position, (name.lower(), self._line(name, value)))
        self.is_changed = True

    def change(self, index: int, name: bytes, value: bytes) -> None:
        """The *index*-th field of that name, from 1; without *value* it goes, and where it is not there it is added."""
        places = [place for place, (found, _) in enumerate(self._lines) if found == name.lower()]
        wanted = max(index, 1) - 1
        if wanted < len(places):
            new = [(name.lower(), self._line(name, value))] if value else []
            self._lines[places[wanted] : places[wanted] + 1] = new
            self.is_changed = True
        elif value:
            self.add(name, value)

    def encode(self) -> bytes:
        """With its blank line."""
        return b"".join(line if line.endswith(b"\n") else line + b"\n" for _, line in self._lines) + b"\n"

    def _line(self, name: bytes, value: bytes) -> bytes:
        """What cannot end the header or begin another field."""
        lines = value.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        first, *more = [line for line in lines if line.strip()] or [b""]
        folded = [line if line[:1] in (b" ", b"\t") else b"\t" + line for line in more]
        return b"\n".join([name + b":" + (b"" if self._leading_space else b" ") + first, *folded]) + b"\n"

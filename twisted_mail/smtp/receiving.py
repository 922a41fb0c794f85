"""How a message comes to an SMTP server session: DATA and its text, or BDAT and its chunks (RFC 5321, RFC 3030)."""

from __future__ import annotations

from twisted_mail.smtp import data, wording
from twisted_mail.smtp.command import ChunkSize, State
from twisted_mail.smtp.data import Chunk, IncomingChunks, IncomingText
from twisted_mail.smtp.dialogue import Dialogue
from twisted_mail.smtp.events import DataChunk, EndOfData, Reset, Wait
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.smtp.transaction import Transaction


class Receiving(Dialogue):
    """A dialogue that may be within a transaction."""

    def __init__(self, options: SessionOptions, line_limit: int) -> None:
        super().__init__(options, line_limit)
        self._transaction: Transaction | None = None
        self._text: IncomingText | None = None
        self._chunk: Chunk | None = None

    @property
    def in_transaction(self) -> bool:
        """MAIL was accepted, and what became of it is not settled yet."""
        return self._transaction is not None

    @property
    def _open(self) -> Transaction:
        assert self._transaction is not None
        return self._transaction

    @property
    def _incoming_chunks(self) -> IncomingChunks:
        chunks = self._open.chunks
        assert chunks is not None
        return chunks

    # ---- the two commands

    def _data(self, argument: None) -> None:
        if self._open.is_binary:
            raise SMTPError(data.NEEDS_BDAT)
        self._text = IncomingText(self._options)
        self._state = State.TEXT
        self._say(data.GO_AHEAD)

    def _bdat(self, size: ChunkSize) -> None:
        refusal = None
        if not self._options.chunking:
            refusal = wording.NO_BDAT
        elif self._state not in (State.RCPT, State.CHUNKS):
            refusal = self._out_of_order("BDAT")
        elif self._open.chunks is None:
            self._open.chunks = IncomingChunks(self._options, binary=self._open.is_binary)
        self._chunk = Chunk(size, size.octets, refusal, self._state)
        self._state = State.CHUNK

    # ---- what follows them

    def _read_text(self) -> Wait | None:
        assert self._text is not None
        octets = self._lines.take_all()
        if not octets:
            return Wait.NEED_DATA
        text, rest = self._text.feed(octets)
        if text:
            self._emit(DataChunk(text))
        if self._text.finished:
            self._lines.receive_data(rest)
            self._finish_message(self._text.refusal, self._replies_owed())
            self._text = None
        return None

    def _read_chunk(self) -> Wait | None:
        assert self._chunk is not None
        octets = self._lines.take(self._chunk.left)
        if self._chunk.left and not octets:
            return Wait.NEED_DATA
        self._chunk.left -= len(octets)
        if self._chunk.refusal is None and (text := self._incoming_chunks.feed(octets)):
            self._emit(DataChunk(text))
        if not self._chunk.left:
            self._finish_chunk(self._chunk)
        return None

    def _finish_chunk(self, chunk: Chunk) -> None:
        if chunk.refusal is not None:
            self._state = chunk.state
            self._refuse("BDAT", chunk.refusal)
            return
        chunks = self._incoming_chunks
        if chunk.size.last and (text := chunks.finish()):
            self._emit(DataChunk(text))
        if chunk.size.last or chunks.refusal is not None:
            self._finish_message(chunks.refusal, self._replies_owed() if chunk.size.last else 1)
        else:
            self._say(Reply(250, "0.0", f"{chunk.size.octets} octets received"))
            self._state = State.CHUNKS

    def _finish_message(self, refusal: Reply | None, replies_owed: int) -> None:
        self.transcript.keep(b"[the message]")
        self._state = State.TEXT
        if refusal is None:
            self._emit(EndOfData())
            return
        for _ in range(replies_owed - 1):
            self._say(refusal)
        self._end_transaction()
        self._refuse("DATA", refusal)
        self._forgiving = True

    def _out_of_order(self, verb: str) -> Reply:
        attempted = self._transaction is not None and self._transaction.attempted > 0
        return wording.out_of_order(verb, self._state, lmtp=self._options.lmtp, attempted=attempted)

    def _replies_owed(self) -> int:
        """To the end of data (RFC 2033 §4.2)."""
        return self._transaction.accepted if self._options.lmtp and self._transaction is not None else 1

    def _end_transaction(self) -> None:
        self._forgiving = False
        if self._transaction is not None:
            self._transaction = None
            self._state = State.READY
            self._emit(Reset())

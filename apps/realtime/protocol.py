"""uvicorn's WebSocket protocol with one thing more: write a frame that is encoded already, at once.

A key that is pressed goes to every reader of the notebook as the same bytes. Through ASGI each of them
costs a task and an encoding; here the frame is encoded once and handed to each transport. Start uvicorn
with `--ws apps.realtime.protocol:SocketProtocol`; without it everything works, only slower.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "inferencecloud.write"  # scope["extensions"][…] is `write_frame`
TEXT, BINARY = 0x81, 0x82  # final frames (RFC 6455, 5.2)


class SocketProtocol(WebSocketsSansIOProtocol):
    """Offers `write_frame` to the application."""

    def handle_connect(self, event: Any) -> None:
        """Begin as uvicorn does; the application starts at the loop's next turn."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = dict(self.scope["extensions"] or {})
            extensions[EXTENSION] = self.write_frame
            self.scope["extensions"] = extensions

    def write_frame(self, frame: bytes) -> bool:
        """Write the frame unless the reader is slow or the socket not simply open; say whether."""
        ready = self.handshake_complete and self.writable.is_set() and not self.conn.extensions
        if not ready or self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True


def encoded(content: bytes | str) -> bytes:
    """Return the frame of a message, as a server sends it (unmasked)."""
    body = content.encode() if isinstance(content, str) else content
    kind = TEXT if isinstance(content, str) else BINARY
    size = len(body)
    if size < 126:
        return bytes((kind, size)) + body
    if size < 2**16:
        return bytes((kind, 126)) + size.to_bytes(2) + body
    return bytes((kind, 127)) + size.to_bytes(8) + body

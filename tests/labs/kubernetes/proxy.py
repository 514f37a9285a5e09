"""A wire between a client and the API server that tests can cut, block and mend; TLS passes through it."""

import selectors
import socket
import threading


class Proxy:
    """Listens on 127.0.0.1:`port`, a free one of the kernel's choice. Owns one thread until close()."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = {}
        self.lock = threading.Lock()
        self.blocked = threading.Event()
        self.refusing = False
        self.accepted = 0
        self.stopping = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.serve, name="proxy", daemon=True)
        self.thread.start()

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def serve(self):
        while not self.stopping:
            for ready, _ in self.selector.select(0.05):
                with self.lock:
                    if ready.fileobj is self.listener:
                        self.connect()
                    elif ready.fileobj in self.pairs and not self.blocked.is_set():
                        self.forward(ready.fileobj)

    def connect(self):
        client, _ = self.listener.accept()
        self.accepted += 1
        try:
            server = None if self.refusing else socket.create_connection(self.target, timeout=5)
        except OSError:
            server = None
        if server is None:
            reset(client)
            return
        for one, other in ((client, server), (server, client)):
            one.settimeout(5)
            self.pairs[one] = other
            self.selector.register(one, selectors.EVENT_READ)

    def forward(self, source):
        try:
            block = source.recv(1 << 16)
            if block:
                self.pairs[source].sendall(block)
                return
        except OSError:
            pass
        self.drop(source)

    def drop(self, one):
        other = self.pairs.pop(one)
        self.pairs.pop(other)
        for end in (one, other):
            self.selector.unregister(end)
            reset(end)

    def cut(self) -> int:
        """Resets every connection, watches too; new ones work. Returns how many there were."""
        with self.lock:
            count = len(self.pairs) // 2
            while self.pairs:
                self.drop(next(iter(self.pairs)))
            return count

    def block(self):
        """Connections stay and nothing passes, as behind a firewall that forgot them."""
        self.blocked.set()

    def refuse(self):
        """Cuts, and resets every new connection until mend()."""
        self.refusing = True
        self.cut()

    def mend(self):
        self.refusing = False
        self.blocked.clear()

    def close(self):
        self.stopping = True
        self.thread.join(10)
        self.cut()
        self.listener.close()
        self.selector.close()


def reset(end):
    """Closes with a reset: the peer sees an error and not an orderly end."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    finally:
        end.close()

"""Relays between the agent and its peers, for what must be seen or broken on the wire.

DockerRelay stands before the Docker Engine and notes when each request came.
ControlRelay stands before berth-local and may change, repeat, cut or swallow the
websocket messages that go to the agent.
"""
import json
import os
import re
import socket
import struct
import threading
import time

from connections import accepted, cut


class Relay:
    """Copies bytes both ways, one pair of threads a connection. Subclasses look at them."""

    def __init__(self, listener, connect):
        self.listener, self._connect = listener, connect
        self.lock = threading.Lock()
        self.sockets = []
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        for client in accepted(self.listener):
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            with self.lock:
                self.sockets += [client, server]
            state = {"client": client}
            for run, source, sink in ((self.to_server, client, server),
                                      (self.to_client, server, client)):
                threading.Thread(target=self._pump, args=(run, source, sink, state),
                                 daemon=True).start()

    def _pump(self, run, source, sink, state):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                data = run(data, state)
                if data:
                    sink.sendall(data)
                if state.get("cut"):
                    break
        except OSError:
            pass
        cut((source, sink))

    def to_server(self, data, _state):
        return data

    def to_client(self, data, _state):
        return data

    def cut_all(self):
        """What is open now; whoever comes later gets in."""
        with self.lock:
            cut(self.sockets)

    def close(self):
        self.closed = True
        self.listener.close()
        with self.lock:
            cut(self.sockets)
            for s in self.sockets:
                s.close()


class Hold:
    def __init__(self, pattern):
        self.pattern, self.count, self.open = pattern, 0, threading.Event()

    def release(self):
        self.open.set()


class DockerRelay(Relay):
    """self.requests: (wall time, "POST /v1.41/containers/create?name=..."), in order."""

    REQUEST = re.compile(rb"^(GET|POST|DELETE|HEAD|PUT) (\S+) HTTP/1\.1\r\n", re.M)

    def __init__(self, path, docker_path):
        if os.path.exists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(64)
        self.path = path
        self.requests = []
        self.holds, self.refusals, self.bodies = [], [], []

        def connect():
            s = socket.socket(socket.AF_UNIX)
            s.connect(docker_path)
            return s

        super().__init__(listener, connect)

    def to_server(self, data, state):
        now = time.time()
        self._keep_bodies(data, state)
        for method, target in self.REQUEST.findall(data):
            request = f"{method.decode()} {target.decode()}"
            with self.lock:
                self.requests.append((now, request))
                holds = [h for h in self.holds if re.search(h.pattern, request)]
                refusal = next((r for r in self.refusals if re.search(r[0], request)), None)
            for hold in holds:
                hold.count += 1
                hold.open.wait()
            if refusal:
                state["client"].sendall(refusal[1])
                return b""
        return data

    def refuse(self, pattern, message, status="500 Internal Server Error"):
        self.answer(pattern, {"message": message}, status)

    def answer(self, pattern, said, status="200 OK"):
        """From now on requests like this get this answer and do not reach the engine."""
        body = json.dumps(said).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n" \
               f"Content-Length: {len(body)}\r\n\r\n"
        with self.lock:
            self.refusals.append((pattern, head.encode() + body))

    def _keep_bodies(self, data, state):
        """Requests come one after the other on a connection; those with a length are kept."""
        state["to"] = state.get("to", b"") + data
        while True:
            head, end, rest = state["to"].partition(b"\r\n\r\n")
            length = re.search(rb"^content-length: *(\d+)", head, re.M | re.I)
            size = int(length.group(1)) if length else 0
            if not end or len(rest) < size:
                return
            state["to"] = rest[size:]
            if size:
                target = head.split(b"\r\n", 1)[0].split(b" ")[1].decode()
                with self.lock:
                    self.bodies.append((target, rest[:size]))

    def sent(self, pattern):
        """The JSON that was sent with requests whose target is like this."""
        with self.lock:
            return [json.loads(b) for target, b in self.bodies if re.search(pattern, target)]

    def hold(self, pattern):
        """From now on requests like this do not reach the engine, until its release()."""
        hold = Hold(pattern)
        with self.lock:
            self.holds.append(hold)
        return hold

    def close(self):
        for hold in self.holds:
            hold.release()
        super().close()

    def seen(self, pattern):
        with self.lock:
            return [(t, r) for t, r in self.requests if re.search(pattern, r)]


def frame(text):
    """A text frame as a server sends it."""
    data = text.encode() if isinstance(text, str) else text
    if len(data) < 126:
        head = struct.pack("!BB", 0x81, len(data))
    elif len(data) < 65536:
        head = struct.pack("!BBH", 0x81, 126, len(data))
    else:
        head = struct.pack("!BBQ", 0x81, 127, len(data))
    return head + data


class ControlRelay(Relay):
    """`edit`, when set, gets the text of each ACS message to the agent and returns the
    bytes to send instead: frame(text) as it was, b"" to swallow it, anything else to
    break it. Setting state["cut"] through CUT ends the connection after the bytes."""

    CUT = b"\0cut-the-connection\0"

    def __init__(self, server_port):
        listener = socket.socket()
        # The addresses in the answers of DiscoverPollEndpoint are rewritten in place,
        # which needs a port of as many digits.
        while True:
            listener.bind(("127.0.0.1", 0))
            if len(str(listener.getsockname()[1])) == len(str(server_port)):
                break
            listener.close()
            listener = socket.socket()
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self.theirs, self.ours = (f"127.0.0.1:{p}".encode() for p in (server_port, self.port))
        self.edit = None
        self.messages = []
        super().__init__(listener, lambda: socket.create_connection(("127.0.0.1", server_port)))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def to_server(self, data, state):
        if b"GET /acs/ws" in data:
            state["acs"] = True
        return data

    def to_client(self, data, state):
        if not state.get("acs"):
            return data.replace(self.theirs, self.ours)
        state["in"] = state.get("in", b"") + data
        out = b""
        if not state.get("open"):
            head, end, rest = state["in"].partition(b"\r\n\r\n")
            if not end:
                return b""
            state["open"], state["in"], out = True, rest, head + end
        while not state.get("cut"):
            taken = self._take_frame(state)
            if taken is None:
                break
            out += taken
            if self.CUT in out:
                out = out[:out.index(self.CUT)]
                state["cut"] = True
        return out

    def _take_frame(self, state):
        data = state["in"]
        if len(data) < 2:
            return None
        size, at = data[1] & 127, 2
        if size == 126:
            if len(data) < 4:
                return None
            size, at = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            if len(data) < 10:
                return None
            size, at = struct.unpack("!Q", data[2:10])[0], 10
        if len(data) < at + size:
            return None
        state["in"] = data[at + size:]
        if data[0] != 0x81:
            return data[:at + size]
        text = data[at:at + size].decode()
        with self.lock:
            self.messages.append(text)
        return self.edit(text) if self.edit else data[:at + size]

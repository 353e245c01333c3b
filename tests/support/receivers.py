"""Systems that take deliveries, for the stories: one that listens for HL7 v2 over MLLP and one webhook, each with moods, and a
client of server-sent events. What arrived stands in `.taken`, in order: of MLLP dicts of MSH-10, patient, segments; of a webhook
headers and body; of server-sent events id, kind and data.

    with MllpReceiver() as ward:
        ward.answer = lambda message: "AE" if ... else "AA"     # or None: no answer; "close": closes without one

Threads: each has its own; `.taken` may be read meanwhile. Lifetime: the `with` block, or close().
"""

import http.client
import http.server
import json
import socket
import socketserver
import threading
import time


class Taken(dict):
    """One delivery; members by name."""

    __getattr__ = dict.get


def parse_hl7(frame, charset="utf-8"):
    text = frame.decode(charset)
    segments = [line.split("|") for line in text.split("\r") if line]
    msh = segments[0]
    pid = next((s for s in segments if s[0] == "PID"), [""] * 6)
    return Taken(raw=frame, segments=segments, control=msh[9], type=msh[8], version=msh[11], charset=msh[17] if len(msh) > 17 else "",
                 patient=pid[3].split("^")[0] if len(pid) > 3 else "",
                 report=next((s[3] for s in segments if s[0] == "OBR" and len(s) > 3), ""))


class MllpReceiver:
    def __init__(self, port=0, charset="utf-8"):
        self.taken, self.connections, self.charset = [], 0, charset
        self.answer = lambda message: "AA"
        self.delay = 0.0
        self.lock = threading.Lock()
        self.live = set()
        receiver = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                receiver.serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def serve(self, connection):
        with self.lock:
            self.connections += 1
            self.live.add(connection)
        pending = b""
        try:
            while True:
                more = connection.recv(65536)
                if not more:
                    return
                pending += more
                while b"\x1c\r" in pending:
                    frame, pending = pending.split(b"\x1c\r", 1)
                    message = parse_hl7(frame[frame.index(b"\x0b") + 1:], self.charset)
                    message["at"] = time.time()
                    if self.delay:
                        time.sleep(self.delay)
                    with self.lock:
                        code = self.answer(message)
                        message["code"] = code
                        self.taken.append(message)
                    if code is None:
                        continue
                    if code == "close":
                        return
                    then_close = code.endswith("+close")
                    self.send(connection, message, code.removesuffix("+close"))
                    if then_close:
                        return
        except OSError:
            pass
        finally:
            with self.lock:
                self.live.discard(connection)
            connection.close()

    @staticmethod
    def send(connection, message, code):
        error = "ERR|||207^Application internal error^HL70357|E\r" if code == "AR207" else ""
        reply = f"MSH|^~\\&|W|W|HUTONG|R|20260105||ACK|{message.control}A|P|2.5\rMSA|{code[:2]}|{message.control}\r{error}"
        connection.sendall(b"\x0b" + reply.encode() + b"\x1c\r")

    def accepted(self):
        with self.lock:
            return [m for m in self.taken if m.code and m.code.startswith("AA")]

    # As if the machine were cut off: nothing listens any more.
    def close(self):
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            for connection in list(self.live):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Webhook:
    def __init__(self, port=0):
        self.taken = []
        self.answer = lambda request: 200
        self.headers = {}
        self.delay = 0.0
        self.lock = threading.Lock()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Taken(path=self.path, headers={k.lower(): v for k, v in self.headers.items()}, body=body, at=time.time())
                request["event"] = request.headers.get("x-hutong-event-id", "")
                if hook.delay:
                    time.sleep(hook.delay)
                with hook.lock:
                    status = hook.answer(request)
                    request["code"] = status
                    hook.taken.append(request)
                if status == "close":
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # a broker that was killed

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    def accepted(self):
        with self.lock:
            return [r for r in self.taken if r.code == 200]

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class EventSource:
    """A subscriber that connects itself: server-sent events over one connection. `.taken` are its events in order, as id, kind and
    data; `.notes` those of other names; `.ended` once the broker has ended it. It acknowledges each where it is told to."""

    def __init__(self, broker, subscription, token, last="", acknowledges=False):
        self.broker, self.subscription, self.token, self.acknowledges = broker, subscription, token, acknowledges
        self.taken, self.notes, self.ended = [], [], False
        self.connection = http.client.HTTPConnection("127.0.0.1", broker.ports["http"], timeout=60)
        headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last} if last else {})}
        self.connection.request("GET", f"/api/v1/subscriptions/{subscription}/events", headers=headers)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        if self.status == 200:
            threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            fields = {}
            while line := self.answer.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "data":
                    fields.setdefault("data", []).append(value)
                elif name:
                    fields[name] = value
                elif "data" in fields:
                    self.take(Taken(event=fields.get("id", ""), kind=fields.get("event"), data="\n".join(fields["data"]), at=time.time()))
                    fields = {}
                else:
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # closed, here or there
        self.ended = True

    def take(self, event):
        if not event.event:
            self.notes.append(event)
            return
        self.taken.append(event)
        if self.acknowledges:
            self.acknowledge(event.event)

    def acknowledge(self, *events):
        answer = self.broker.http("POST", f"/api/v1/subscriptions/{self.subscription}/acknowledge", body={"events": list(events)}, token=self.token)
        return answer.json()["events"] if answer.status == 200 else answer.status

    def close(self):
        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
        self.connection.close()


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def declare(broker, *subscriptions):
    """Writes the installation's subscriptions; a running broker is told by reload()."""
    folder = broker.dir / "schemas" / "subscriptions"
    folder.mkdir(parents=True, exist_ok=True)
    text = ""
    for one in subscriptions:
        text += "[[subscription]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in one.items()) + "\n"
    (folder / "test.toml").write_text(text, encoding="utf-8")


def allow_folders(*folders):
    """[delivery] for folders that files may be dropped into."""
    return f'\n[delivery]\nfolders = {json.dumps([str(each) for each in folders])}\n'


def allow(*origins):
    """[delivery] for receivers on this machine; to be appended to a configuration."""
    return f'\n[delivery]\nwebhooks = {json.dumps(list(origins))}\nprivate_networks = ["127.0.0.1"]\n'

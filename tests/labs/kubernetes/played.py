"""An API server as a few tests need one that the lab's cannot be: of a later version, with APIs whose
controllers cannot run here. Objects are kept as they were posted, and every call is recorded."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

RANKS = {"job": ("annotations", "batch.kubernetes.io/job-completion-index"),
         "leader_worker_set": ("labels", "leaderworkerset.sigs.k8s.io/worker-index")}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class PlayedApi:
    """`with PlayedApi(minor, {"batch/v1": ["jobs"]}) as api`; api.kubeconfig(path) is how to reach it."""

    def __init__(self, minor, apis):
        self.minor, self.apis = minor, apis
        self.objects, self.events, self.calls, self.version = {}, [], [], 1
        self.changed = threading.Condition(threading.RLock())
        self.open = True
        self.lose = 0  # answers of POST that get lost after the object was made

    def __enter__(self):
        handler = type("Handler", (Handler,), {"api": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        with self.changed:
            self.open = False
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def kubeconfig(self, path):
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "a", "users": [{"name": "u", "user": {}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
            "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}]}))
        return path

    def of(self, resource):
        """{name: object} of everything of that kind."""
        with self.changed:
            return {path.rsplit("/", 1)[1]: one for path, one in self.objects.items()
                    if path.rsplit("/", 2)[1] == resource}

    def made(self, method, resource):
        """The paths of the calls of that method to that kind, in order."""
        with self.changed:
            return [path for verb, path, _ in self.calls if verb == method and f"/{resource}" in path]

    # Changes: each is an event of every watch

    def store(self, path, one, kind="MODIFIED"):
        with self.changed:
            self.version += 1
            one.setdefault("metadata", {})["resourceVersion"] = str(self.version)
            self.objects[path] = one
            self.events.append((self.version, kind, path, json.loads(json.dumps(one))))
            self.changed.notify_all()

    def post(self, path, one):
        if path.endswith("/selfsubjectaccessreviews"):
            return {**one, "status": {"allowed": True}}
        metadata = one["metadata"]
        path += "/" + metadata["name"]
        with self.changed:
            if path in self.objects:
                return None
            metadata.update(uid=f"uid-{self.version}", creationTimestamp=now())
            if metadata["name"].startswith("sust-check-"):  # the pod of `sust backend check`
                one["status"] = {"phase": "Succeeded"}
            self.store(path, one, "ADDED")
            return one

    def remove(self, path, body):
        with self.changed:
            one = self.objects.get(path)
            if one is None:
                return None
            if one["metadata"].get("finalizers"):
                one["metadata"].update(deletionTimestamp=now(), deletionGracePeriodSeconds=0)
                self.store(path, one)
            else:
                self.store(path, one, "DELETED")
                del self.objects[path]
            return one

    def patch(self, path, change):
        with self.changed:
            one = self.objects.get(path)
            if one is None:
                return None
            metadata = change.get("metadata", {})
            one["metadata"].setdefault("annotations", {}).update(metadata.get("annotations", {}))
            if "finalizers" in metadata:
                one["metadata"]["finalizers"] = metadata["finalizers"] or []
            self.store(path, one)
            if one["metadata"].get("deletionTimestamp") and not one["metadata"].get("finalizers"):
                self.remove(path, {})
            return one

    # What a controller and a kubelet would do

    def make_pods(self, name, template, count, source="job"):
        """The pods of an object, each with its rank where its controller writes it."""
        where, key = RANKS[source]
        for rank in range(count):
            pod = json.loads(json.dumps(template))
            pod["metadata"]["name"] = f"{name}-{rank}"
            pod["metadata"].setdefault(where, {})[key] = str(rank)
            pod["status"] = {"phase": "Pending"}
            self.post("/api/v1/namespaces/default/pods", pod)

    def play(self, name, **container):
        path = f"/api/v1/namespaces/default/pods/{name}"
        with self.changed:
            pod = self.objects[path]
            pod["spec"]["nodeName"] = "n1"
            pod["status"] = {"phase": "Running", "podIP": "192.0.2.1",
                             "containerStatuses": [{"name": "main", **container}]}
            self.store(path, pod)

    def run(self, name):
        self.play(name, state={"running": {"startedAt": now()}})

    def end(self, name, status):
        labels = self.of("pods")[name]["metadata"]["labels"]
        word = {"format": 1, "token": labels["sust/job"], "epoch": int(labels["sust/epoch"]), "status": status,
                "signal": None, "reason": "exited", "detail": "", "started": now(), "finished": now(),
                "max_rss_bytes": 1, "cpu_seconds": 0.0, "leftovers": 0}
        self.play(name, state={"terminated": {"exitCode": status, "message": json.dumps(word), "reason": "Error",
                                              "startedAt": now(), "finishedAt": now()}})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api = None

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def serve(self):
        place = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(place.query).items()}
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        api = self.api
        with api.changed:
            api.calls.append((self.command, place.path, body))
        if self.command == "GET":
            return self.get(place.path, query)
        change = {"POST": api.post, "DELETE": api.remove, "PATCH": api.patch}[self.command]
        done = change(place.path, body)
        if self.command == "POST" and done and api.lose:
            api.lose -= 1
            self.close_connection = True
            return None
        missing = 409 if self.command == "POST" else 404
        return self.answer(200, done) if done else self.answer(missing, {"kind": "Status", "message": "no"})

    do_GET = do_POST = do_DELETE = do_PATCH = serve

    def get(self, path, query):
        api = self.api
        if path == "/version":
            return self.answer(200, {"major": "1", "minor": str(api.minor), "gitVersion": f"v1.{api.minor}.0"})
        if path.startswith("/apis/") and path.count("/") == 3:
            found = api.apis.get(path[len("/apis/"):])
            return self.answer(404, {"message": "no"}) if found is None else self.answer(
                200, {"resources": [{"name": name} for name in found]})
        if path in api.objects:
            return self.answer(200, api.objects[path])
        if path.endswith("/log"):
            return self.answer(200, {})
        if path.rsplit("/", 2)[-2] in ("pods", "secrets", "jobs", "jobsets", "leaderworkersets"):
            return self.answer(404, {"message": "no"})
        wanted = [word.split("=", 1) for word in query.get("labelSelector", "").split(",") if word]

        def meant(place, one):
            labels = one["metadata"].get("labels", {})
            return place.rsplit("/", 1)[0] == path and all(labels.get(key) == value for key, value in wanted)
        if "watch" in query:
            return self.watch(int(query.get("resourceVersion") or 0), meant)
        with api.changed:
            items = [one for place, one in api.objects.items() if meant(place, one)]
            return self.answer(200, {"metadata": {"resourceVersion": str(api.version)}, "items": items})

    def watch(self, version, meant):
        """Events until the test ends or the other side goes."""
        api = self.api
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                with api.changed:
                    api.changed.wait_for(lambda: not api.open or api.version > version, 1)
                    fresh = [event for event in api.events if event[0] > version]
                    version = api.version
                    if not api.open:
                        break
                for _, kind, place, one in fresh:
                    if meant(place, one):
                        line = json.dumps({"type": kind, "object": one}).encode() + b"\n"
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

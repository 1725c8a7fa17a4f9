"""A Hugging Face Hub on 127.0.0.1 that can be written to: commits, branches, tags, pull requests and LFS.

Addresses, bodies and error codes are those that `huggingface_hub`, `datasets` and npm's `@huggingface/hub` use. Faults
can be injected by method and path: a status, a connection that is cut, an answer that does not come.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

LFS = (".parquet", ".flac", ".safetensors", ".bin", ".png")
TOKEN, READER = "hf_writerwriterwriter", "hf_readerreaderreader"


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repo:
    """`refs` are branches and pull requests by their full names (`main`, `refs/pr/1`); a tree is files by path."""

    id: str
    kind: str
    private: bool = False
    gated: str | bool = False
    refs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, Any]] = field(default_factory=dict)

    def resolve(self, revision: str) -> str | None:
        found = self.refs.get(revision) or self.tags.get(revision)
        return found or (revision if revision in self.commits else None)

    def tree(self, revision: str = "main") -> dict[str, dict[str, Any]]:
        sha = self.resolve(revision)
        assert sha is not None, revision
        return self.commits[sha]["tree"]

    def commit(self, ref: str, tree: dict[str, Any], title: str, parent: str | None) -> str:
        about = json.dumps([self.id, tree, title, parent, len(self.commits)], sort_keys=True)
        sha = hashlib.sha1(about.encode()).hexdigest()
        date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        self.commits[sha] = {"tree": tree, "title": title, "parent": parent, "date": date}
        self.refs[ref] = sha
        return sha


@dataclass
class Fault:
    """What happens to the next `times` requests that fit, after `after` that go through."""

    method: str
    path: str
    status: int = 0
    times: int = 1
    after: int = 0
    body: str = '{"error": "injected"}'
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hold: threading.Event | None = None

    def strikes(self, method: str, path: str) -> bool:
        if self.times < 1 or method != self.method or not re.search(self.path, path):
            return False
        self.after -= 1
        if self.after >= 0:
            return False
        self.times -= 1
        return True


@dataclass(frozen=True)
class Asked:
    """A request that was answered, and the bytes of its body."""

    method: str
    path: str
    status: int
    received: int


class Hub:
    """A context manager; `TOKEN` belongs to `me`, who may write, `READER` to somebody who may only read.

    Args:
        root: A folder for the files' contents.
        quota: Bytes of LFS objects that may be stored.
    """

    def __init__(self, root: Path, quota: int | None = None) -> None:
        self.root, self.quota = root, quota
        root.mkdir(parents=True, exist_ok=True)
        self.repos: dict[tuple[str, str], Repo] = {}
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(_App(self), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self.faults:
            if fault.hold:
                fault.hold.set()
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()

    def fail(self, method: str, path: str, status: int = 0, **how: Any) -> Fault:
        self.faults.append(Fault(method, path, status, **how))
        return self.faults[-1]

    def repo(self, name: str, kind: str = "datasets") -> Repo:
        return self.repos[kind, name]

    def make(self, name: str, kind: str = "datasets", files: dict[str, bytes] | None = None) -> Repo:
        """A repository as it is after somebody made it and put files there."""
        repo = self.repos[kind, name] = Repo(name, kind)
        rules = b"".join(b"*%s filter=lfs diff=lfs merge=lfs -text\n" % suffix.encode() for suffix in LFS)
        tree = {path: self.store(content) for path, content in {".gitattributes": rules, **(files or {})}.items()}
        repo.commit("main", tree, "initial commit", None)
        return repo

    def store(self, content: bytes) -> dict[str, Any]:
        self.blob(git_hash(content)).write_bytes(content)
        return {"size": len(content), "oid": git_hash(content)}

    def blob(self, oid: str) -> Path:
        return self.root / oid

    def read(self, name: str, path: str, revision: str = "main", kind: str = "datasets") -> bytes:
        entry = self.repo(name, kind).tree(revision)[path]
        return self.blob(entry.get("lfs", entry["oid"])).read_bytes()

    def sent(self) -> int:
        """Bytes of large files that clients have sent so far, whole or not."""
        return sum(one.received for one in self.asked if one.method == "PUT" and one.path.startswith("/_lfs"))

    def count(self, method: str, path: str) -> int:
        return sum(one.method == method and re.search(path, one.path) is not None for one in self.asked)


class _App:
    """Logs, injects faults, keeps `%2F` in paths, and leaves the rest to the routes."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.app = hub, _routes(hub)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["path"] = scope["raw_path"].decode().split("?")[0]
        method, path = scope["method"], scope["path"]
        status = received = 0

        async def taking() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def giving(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        fault = next((fault for fault in self.hub.faults if fault.strikes(method, path)), None)
        try:
            while fault and fault.hold and not fault.hold.is_set():
                await asyncio.sleep(0.01)
            if fault and fault.cut:  # uvicorn closes the connection of an answer that is not finished
                headers = [(b"content-length", b"1000000")]
                await giving({"type": "http.response.start", "status": 200, "headers": headers})
            elif fault and fault.status:
                kind = {"content-type": "application/json", **fault.headers}
                await Response(fault.body, fault.status, kind)(scope, taking, giving)
            else:
                await self.app(scope, taking, giving)
        finally:
            self.hub.asked.append(Asked(method, unquote(path), status, received))


def _refuse(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers={"X-Error-Code": code, "X-Error-Message": message})


def _routes(hub: Hub) -> Starlette:
    def user(request: Request) -> str | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return {TOKEN: "me", READER: "reader"}.get(token)

    Answer = Callable[[Request, Repo, str], Awaitable[Response]]

    def of_repo(answer: Answer, writes: bool = False) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            who, path = user(request), request.path_params
            if "authorization" in request.headers and who is None:
                return _refuse(401, "", "Invalid credentials in Authorization header")
            repo = hub.repos.get((path.get("kind", "models"), f"{path['owner']}/{path['name']}"))
            if repo is None or (repo.private and who != "me"):
                return _refuse(404 if who else 401, "RepoNotFound", "Repository not found")
            if writes and who is None:
                return _refuse(401, "", "Invalid username or password.")
            if writes and who != "me" and request.query_params.get("create_pr") != "1":
                return _refuse(403, "", "You don't have the required permissions to write to this repository")
            revision = unquote(path.get("revision", "main"))
            sha = repo.resolve("main" if revision == "HEAD" else revision)
            if sha is None:
                return _refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return await answer(request, repo, sha)

        return handle

    async def whoami(request: Request) -> Response:
        who = user(request)
        if who is None:
            return _refuse(401, "", "Invalid username or password.")
        return JSONResponse({"type": "user", "name": who, "orgs": [], "auth": {"type": "access_token"}})

    async def create(request: Request) -> Response:
        who, body = user(request), await request.json()
        owner, kind = body.get("organization") or who, body.get("type", "model") + "s"
        if who is None:
            return _refuse(401, "", "Invalid username or password.")
        if owner != who or who == "reader":
            return _refuse(403, "", f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{owner}"')
        name = f"{owner}/{body['name']}"
        url = f"{hub.url}/{'' if kind == 'models' else kind + '/'}{name}"
        if (kind, name) in hub.repos:
            return JSONResponse({"error": f"You already created this {kind[:-1]} repo", "url": url}, 409)
        hub.make(name, kind).private = body.get("visibility") == "private" or bool(body.get("private"))
        return JSONResponse({"url": url, "name": name, "id": name})

    async def settings(request: Request, repo: Repo, sha: str) -> Response:
        body = await request.json()
        repo.gated = body.get("gated", repo.gated)
        repo.private = {"private": True, "public": False}.get(body.get("visibility"), body.get("private", repo.private))
        return JSONResponse({})

    async def info(request: Request, repo: Repo, sha: str) -> Response:
        commit = repo.commits[sha]
        files = [
            {"rfilename": path, "size": entry["size"], "blobId": entry["oid"]}
            for path, entry in sorted(commit["tree"].items())
        ]
        about = {"_id": "0" * 24, "id": repo.id, "sha": sha, "private": repo.private, "gated": repo.gated}
        about |= {"disabled": False, "downloads": 0, "likes": 0, "tags": [], "lastModified": commit["date"]}
        return JSONResponse({**about, "createdAt": commit["date"], "siblings": files})

    def entry(path: str, found: dict[str, Any]) -> dict[str, Any]:
        lfs = {"lfs": {"oid": found["lfs"], "size": found["size"], "pointerSize": 132}} if "lfs" in found else {}
        return {"type": "file", "path": path, "size": found["size"], "oid": found["oid"], **lfs}

    def folders(tree: dict[str, Any]) -> set[str]:
        return {path.rsplit("/", up)[0] for path in tree for up in range(1, path.count("/") + 1)}

    async def listing(request: Request, repo: Repo, sha: str) -> Response:
        files, base = repo.commits[sha]["tree"], unquote(request.path_params.get("path", "")).strip("/")
        deep = request.query_params.get("recursive", "").lower() in ("1", "true")
        if base and base not in folders(files):
            return _refuse(404, "EntryNotFound", f"{base} does not exist")
        within = f"{base}/" if base else ""
        known = [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in sorted(folders(files))]
        known += [entry(path, found) for path, found in sorted(files.items())]
        inside = [one for one in known if str(one["path"]).startswith(within)]
        return JSONResponse([one for one in inside if deep or "/" not in str(one["path"])[len(within) :]])

    async def paths_info(request: Request, repo: Repo, sha: str) -> Response:
        body = (await request.body()).decode()
        wanted = json.loads(body)["paths"] if body[:1] == "{" else parse_qs(body)["paths"]
        files = repo.commits[sha]["tree"]
        found = [entry(path, files[path]) for path in wanted if path in files]
        found += [{"type": "directory", "path": p, "size": 0, "oid": "0" * 40} for p in wanted if p in folders(files)]
        return JSONResponse(found)

    async def refs(request: Request, repo: Repo, sha: str) -> Response:
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": at}
            for name, at in repo.refs.items()
            if not name.startswith("refs/")
        ]
        tags = [{"name": name, "ref": f"refs/tags/{name}", "targetCommit": at} for name, at in repo.tags.items()]
        return JSONResponse({"branches": branches, "tags": tags, "converts": []})

    async def tag(request: Request, repo: Repo, sha: str) -> Response:
        name = (await request.json())["tag"]
        if name in repo.tags:
            return _refuse(409, "", "Tag reference exists already")
        repo.tags[name] = sha
        return JSONResponse({})

    async def branch(request: Request, repo: Repo, sha: str) -> Response:
        name = unquote(request.path_params["branch"])
        if name in repo.refs:
            return _refuse(409, "", "Reference already exists")
        repo.refs[name] = sha
        return JSONResponse({})

    async def preupload(request: Request, repo: Repo, sha: str) -> Response:
        files, answers = repo.commits[sha]["tree"], []
        for asked in (await request.json())["files"]:
            lfs = asked["path"].endswith(LFS) or asked["size"] > 10 << 20
            oid = files.get(asked["path"], {}).get("lfs" if lfs else "oid")
            mode = "lfs" if lfs else "regular"
            answers.append({"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return JSONResponse({"files": answers, "commitOid": sha})

    async def commit(request: Request, repo: Repo, sha: str) -> Response:
        lines = [json.loads(line) for line in (await request.body()).splitlines() if line.strip()]
        header, changes = lines[0]["value"], lines[1:]
        if header.get("parentCommit") not in (None, sha):
            return _refuse(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(repo.commits[sha]["tree"])
        for change in changes:
            value, path = change["value"], change["value"]["path"]
            if change["key"] == "file":
                files[path] = hub.store(base64.b64decode(value["content"]))
            elif change["key"] == "lfsFile":
                if not hub.blob(value["oid"]).exists():
                    return _refuse(400, "", f"lfs object {value['oid']} of {path} was never uploaded")
                size = hub.blob(value["oid"]).stat().st_size
                files[path] = {"size": size, "oid": git_hash(value["oid"].encode()), "lfs": value["oid"]}
            elif change["key"] == "deletedFile":
                files.pop(path)
        number = sum(name.startswith("refs/pr/") for name in repo.refs) + 1
        asks_pr = request.query_params.get("create_pr") == "1"
        ref = f"refs/pr/{number}" if asks_pr else unquote(request.path_params["revision"])
        oid = repo.commit(ref, files, header["summary"], sha)
        url = f"{hub.url}/{repo.kind}/{repo.id}"
        pull = {"pullRequestUrl": f"{url}/discussions/{number}"} if asks_pr else {}
        return JSONResponse({"success": True, "commitOid": oid, "commitUrl": f"{url}/commit/{oid}", **pull})

    async def lfs_batch(request: Request, repo: Repo, sha: str) -> Response:
        if user(request) is None:
            return _refuse(401, "", "Invalid username or password.")
        objects = (await request.json())["objects"]  # readers may: they may open a pull request
        new = [one for one in objects if not hub.blob(one["oid"]).exists()]
        stored = sum(file.stat().st_size for file in hub.root.iterdir() if len(file.name) == 64)
        if hub.quota is not None and stored + sum(one["size"] for one in new) > hub.quota:
            return _refuse(403, "", "Private repository storage limit reached, please upgrade your plan")
        for one in new:
            upload, verify = {"href": f"{hub.url}/_lfs/{one['oid']}"}, {"href": f"{hub.url}/_lfs/{one['oid']}/verify"}
            one |= {"authenticated": True, "actions": {"upload": upload, "verify": verify}}
        return JSONResponse({"transfer": "basic", "objects": objects}, media_type="application/vnd.git-lfs+json")

    async def lfs_put(request: Request) -> Response:
        oid, digest = request.path_params["oid"], hashlib.sha256()
        coming = hub.root / f"{oid}.tmp"
        with coming.open("wb") as file:
            async for part in request.stream():
                digest.update(part)
                file.write(part)
        if digest.hexdigest() != oid:
            return Response("bad sha256", 400)
        coming.rename(hub.blob(oid))
        return Response()

    async def lfs_verify(request: Request) -> Response:
        body = await request.json()
        blob = hub.blob(body["oid"])
        return Response(status_code=200 if blob.exists() and blob.stat().st_size == body["size"] else 404)

    async def file(request: Request, repo: Repo, sha: str) -> Response:
        if repo.gated and user(request) is None:
            return _refuse(401, "GatedRepo", f"Access to {repo.id} is restricted")
        found = repo.commits[sha]["tree"].get(unquote(request.path_params["path"]))
        if found is None:
            return _refuse(404, "EntryNotFound", "Entry not found")
        content = found.get("lfs", found["oid"])
        headers = {"X-Repo-Commit": sha, "ETag": f'"{content}"', "Accept-Ranges": "bytes"}
        headers |= {"X-Linked-Size": str(found["size"]), "X-Linked-Etag": f'"{content}"'}
        return FileResponse(hub.blob(content), headers=headers)

    async def valid(request: Request) -> Response:
        return JSONResponse({"errors": [], "warnings": []})

    api, post = "/api/{kind}/{owner}/{name}", ["POST"]
    routes = [
        Route("/api/whoami-v2", whoami),
        Route("/api/validate-yaml", valid, methods=post),
        Route("/api/repos/create", create, methods=post),
        Route(api + "/settings", of_repo(settings, writes=True), methods=["PUT"]),
        Route(api + "/revision/{revision}", of_repo(info)),
        Route(api, of_repo(info)),
        Route(api + "/tree/{revision}", of_repo(listing)),
        Route(api + "/tree/{revision}/{path:path}", of_repo(listing)),
        Route(api + "/paths-info/{revision}", of_repo(paths_info), methods=post),
        Route(api + "/refs", of_repo(refs)),
        Route(api + "/tag/{revision}", of_repo(tag, writes=True), methods=post),
        Route(api + "/branch/{branch}", of_repo(branch, writes=True), methods=post),
        Route(api + "/preupload/{revision}", of_repo(preupload, writes=True), methods=post),
        Route(api + "/commit/{revision}", of_repo(commit, writes=True), methods=post),
        Route("/{kind}/{owner}/{name}.git/info/lfs/objects/batch", of_repo(lfs_batch), methods=post),
        Route("/{owner}/{name}.git/info/lfs/objects/batch", of_repo(lfs_batch), methods=post),
        Route("/_lfs/{oid}", lfs_put, methods=["PUT"]),
        Route("/_lfs/{oid}/verify", lfs_verify, methods=post),
        Route("/{kind}/{owner}/{name}/resolve/{revision}/{path:path}", of_repo(file)),
        Route("/{owner}/{name}/resolve/{revision}/{path:path}", of_repo(file)),
    ]
    return Starlette(routes=routes)

"""A small Hub in memory, for tests: it speaks as much of the Hub's HTTP API as its own client needs.

    with HubServer() as hub:
        subprocess.run([...], env=os.environ | hub.environment("alice"))

Repositories, branches, tags, commits, LFS, private repositories and wrong tokens are those of the real one;
file viewers, pull requests and Xet are missing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LARGE = 100_000  # bytes: larger files, and those of these kinds, go through LFS
LARGE_KINDS = (".safetensors", ".parquet", ".mp4", ".npz")
TYPES = {"models": "", "datasets": "datasets/", "spaces": "spaces/"}
DATE = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class File:
    """A file of a commit: its object's id (git's SHA-1, or SHA-256 in LFS) and its size."""

    oid: str
    size: int
    lfs: bool


@dataclass
class Commit:
    oid: str
    title: str
    files: dict[str, File]
    parent: str | None = None


@dataclass
class Repo:
    """branches, tags: name -> commit id."""

    owner: str
    private: bool = False
    sdk: str | None = None
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> Commit:
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        if oid not in self.commits:
            raise Refusal(404, "Revision not found", "RevisionNotFound")
        return self.commits[oid]

    def commit(self, branch: str, title: str, files: dict[str, File]) -> Commit:
        oid = hashlib.sha1(f"{len(self.commits)} {title} {sorted(files)}".encode()).hexdigest()
        self.commits[oid] = Commit(oid, title, files, self.branches.get(branch))
        self.branches[branch] = oid
        return self.commits[oid]

    def history(self, revision: str) -> list[Commit]:
        """Commits of a branch, tag or commit, the latest first."""
        commits = [self.find(revision)]
        while commits[-1].parent:
            commits.append(self.commits[commits[-1].parent])
        return commits


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, code: str | None = None, **content: object):
        self.status, self.message, self.code, self.content = status, message, code, content


class HubServer:
    """Serves from `url` while it is entered; users are "alice" and "bob", their tokens `hf_` and the name.

    failures: step ("create", "preupload", "lfs", "upload", "commit" or "after commit") -> statuses of its
    next requests, None for those that succeed. requests: (method, path) of all that came.
    """

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.failures: dict[str, list[int | None]] = {}
        self.requests: list[tuple[str, str]] = []
        app = Starlette(
            routes=[Route("/{path:path}", self._answer, methods=["GET", "POST", "PUT", "DELETE"])]
        )
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> HubServer:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def environment(self, home: Path, user: str | None = None) -> dict[str, str]:
        """What points the client of another process here; `home` takes what it caches."""
        env = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_TOKEN": ""}
        env |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}
        return env | ({"HF_TOKEN": f"hf_{user}"} if user else {})

    def files(self, repo_id: str, kind: str = "models", revision: str = "main") -> dict[str, bytes]:
        """Name -> content of the files of a repository."""
        files = self.repos[kind, repo_id].find(revision).files
        return {path: self.objects[file.oid] for path, file in files.items()}

    def put(self, repo_id: str, kind: str = "models", **files: bytes) -> Repo:
        """A repository of its owner's with one commit of those files."""
        repo = self.repos[kind, repo_id] = Repo(repo_id.split("/")[0])
        repo.commit("main", "initial commit", {name: self._store(content) for name, content in files.items()})
        return repo

    def _store(self, content: bytes) -> File:
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        self.objects[oid] = content
        return File(oid, len(content), lfs=False)

    # ------------------------------------------------------------------------------------------- requests

    async def _answer(self, request: Request) -> Response:
        parts = [unquote(part) for part in request.scope["raw_path"].decode().strip("/").split("/")]
        self.requests.append((request.method, "/".join(parts)))
        body = await request.body()
        try:
            return self._route(request, parts, body)
        except Refusal as refusal:
            headers = {"X-Error-Message": refusal.message}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            content = {"error": refusal.message, **refusal.content}
            return JSONResponse(content, refusal.status, headers)

    def _route(self, request: Request, parts: list[str], body: bytes) -> Response:
        user = self._user(request)
        match request.method, parts:
            case "GET", ["api", "whoami-v2"]:
                return JSONResponse({"type": "user", "name": self._known(user), "orgs": [], "auth": {}})
            case "POST", ["api", "validate-yaml"]:
                return self._validate(json.loads(body))
            case "POST", ["api", "repos", "create"]:
                return self._create(self._known(user), json.loads(body))
            case "DELETE", ["api", "repos", "delete"]:
                return self._delete(self._known(user), json.loads(body))
            case "PUT", ["lfs", oid]:
                return self._upload(oid, body)
            case "POST", ["lfs", "verify"]:
                return Response()
            case method, ["api", kind, owner, name, *rest] if kind in TYPES:
                repo = self._readable(kind, f"{owner}/{name}", user)
                return self._repo_api(method, (kind, f"{owner}/{name}"), repo, user, rest, request, body)
        return self._files(request, parts, user, body)

    def _repo_api(self, method, key, repo: Repo, user, rest: list[str], request, body: bytes) -> Response:
        match method, rest:
            case "GET", []:
                return self._info(key, repo, "main")
            case "GET", ["revision", revision]:
                return self._info(key, repo, revision)
            case "GET", ["tree", revision, *folder]:
                recursive = request.query_params.get("recursive", "").lower() in ("1", "true")
                return self._tree(repo.find(revision).files, "/".join(folder), recursive)
            case "POST", ["paths-info", revision]:
                return self._paths(repo.find(revision).files, _paths_of(request, body))
            case "GET", ["refs"]:
                return JSONResponse({**_refs(repo), "converts": [], "pullRequests": []})
            case "GET", ["commits", revision]:
                return JSONResponse([_commit_info(commit) for commit in repo.history(revision)])
            case "POST", ["preupload", revision]:
                self._writable(repo, user)
                return self._preupload(repo.find(revision).files, json.loads(body)["files"])
            case "POST", ["commit", revision]:
                self._writable(repo, user)
                return self._commit(key, repo, revision, [json.loads(line) for line in body.splitlines()])
            case "POST", ["branch" | "tag" as sort, name]:
                self._writable(repo, user)
                return self._reference(repo, sort, name, json.loads(body))
        raise Refusal(404, f"No such endpoint: {method} {rest}")

    def _files(self, request: Request, parts: list[str], user: str | None, body: bytes) -> Response:
        kind = parts[0] if parts[0] in TYPES else "models"
        match parts[1:] if parts[0] in TYPES else parts:
            case [owner, git, "info", "lfs", "objects", "batch"]:
                repo = self._readable(kind, f"{owner}/{git.removesuffix('.git')}", user)
                self._writable(repo, user)
                return self._batch(json.loads(body)["objects"])
            case [owner, name, "resolve", revision, *path]:
                repo = self._readable(kind, f"{owner}/{name}", user)
                return self._download(request, repo.find(revision), "/".join(path))
        raise Refusal(404, f"No such page: {'/'.join(parts)}", "EntryNotFound")

    def _fail(self, step: str) -> None:
        if self.failures.get(step) and (status := self.failures[step].pop(0)):
            raise Refusal(status, "Something went wrong on our side")

    # ---------------------------------------------------------------------------------------- permissions

    def _user(self, request: Request) -> str | None:
        """Who asks; None without a token."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not token or request.url.path.startswith("/lfs"):
            return None
        if token not in ("hf_alice", "hf_bob"):
            raise Refusal(401, "Invalid credentials in Authorization header")
        return token.removeprefix("hf_")

    def _known(self, user: str | None) -> str:
        if user is None:
            raise Refusal(401, "Invalid username or password.")
        return user

    def _readable(self, kind: str, repo_id: str, user: str | None) -> Repo:
        repo = self.repos.get((kind, repo_id))
        if repo is None or (repo.private and repo.owner != user):
            raise Refusal(401 if user is None else 404, "Repository not found", "RepoNotFound")
        return repo

    def _writable(self, repo: Repo, user: str | None) -> None:
        if self._known(user) != repo.owner:
            raise Refusal(403, "You don't have write access to this repository")

    # ------------------------------------------------------------------------------------------ answering

    def _validate(self, content: dict) -> Response:
        try:
            header = yaml.safe_load(content["content"].removeprefix("---\n").split("\n---", 1)[0])
        except yaml.YAMLError as error:
            raise Refusal(400, "Invalid YAML", errors=[{"message": str(error)}]) from error
        if not isinstance(header, dict) or not header:
            raise Refusal(400, "No metadata", errors=[{"message": "empty or missing yaml metadata"}])
        return JSONResponse({"errors": [], "warnings": []})

    def _create(self, user: str, content: dict) -> Response:
        self._fail("create")
        owner = content.get("organization") or user
        key = f"{content.get('type') or 'model'}s", f"{owner}/{content['name']}"
        url = f"{self.url}/{TYPES[key[0]]}{key[1]}"
        if owner != user:
            raise Refusal(403, f"You don't have the rights to create a repo under the namespace {owner!r}")
        if key in self.repos:
            raise Refusal(409, "You already created this repo", url=url)
        private = content.get("visibility") == "private"
        repo = self.repos[key] = Repo(user, private, content.get("sdk"))
        repo.commit("main", "initial commit", {".gitattributes": self._store(b"*.safetensors filter=lfs\n")})
        return JSONResponse({"url": url})

    def _delete(self, user: str, content: dict) -> Response:
        key = f"{content.get('type') or 'model'}s", f"{content.get('organization') or user}/{content['name']}"
        self._writable(self._readable(*key, user), user)
        del self.repos[key]
        return Response()

    def _info(self, key: tuple[str, str], repo: Repo, revision: str) -> Response:
        commit = repo.find(revision)
        siblings = [{"rfilename": path} for path in commit.files]
        info = {"_id": key[1], "id": key[1], "sha": commit.oid, "private": repo.private, "siblings": siblings}
        return JSONResponse(info | {"lastModified": DATE, "tags": [], "sdk": repo.sdk})

    def _tree(self, files: dict[str, File], folder: str, recursive: bool) -> Response:
        prefix, folders, entries = f"{folder}/" if folder else "", set(), []
        for path, file in sorted(files.items()):
            if not path.startswith(prefix):
                continue
            steps = path.removeprefix(prefix).split("/")
            parents = [prefix + "/".join(steps[:depth]) for depth in range(1, len(steps))]
            folders |= set(parents if recursive else parents[:1])
            if recursive or len(steps) == 1:
                entries.append(_file_entry(path, file))
        if folder and not (entries or folders):
            raise Refusal(404, f"{folder} does not exist", "EntryNotFound")
        return JSONResponse([*(_folder_entry(path) for path in sorted(folders)), *entries])

    def _paths(self, files: dict[str, File], paths: list[str]) -> Response:
        found = [_file_entry(path, files[path]) for path in paths if path in files]
        folders = [path for path in paths if any(name.startswith(f"{path}/") for name in files)]
        return JSONResponse([*found, *(_folder_entry(path) for path in folders)])

    def _preupload(self, files: dict[str, File], asked: list[dict]) -> Response:
        self._fail("preupload")
        answers = []
        for one in asked:
            large = one["size"] > LARGE or one["path"].endswith(LARGE_KINDS)
            there = {"oid": files[one["path"]].oid} if one["path"] in files else {}
            mode = {"uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            answers.append({"path": one["path"], **mode, **there})
        return JSONResponse({"files": answers})

    def _batch(self, asked: list[dict]) -> Response:
        self._fail("lfs")
        verify = {"href": f"{self.url}/lfs/verify"}
        answers = [{"oid": one["oid"], "size": one["size"]} for one in asked]
        for one in answers:
            if one["oid"] not in self.objects:
                one["actions"] = {"upload": {"href": f"{self.url}/lfs/{one['oid']}"}, "verify": verify}
        return JSONResponse({"transfer": "basic", "objects": answers})

    def _upload(self, oid: str, content: bytes) -> Response:
        self._fail("upload")
        if hashlib.sha256(content).hexdigest() != oid:
            raise Refusal(400, "The content is not that of its id")
        self.objects[oid] = content
        return Response()

    def _commit(self, key: tuple[str, str], repo: Repo, branch: str, lines: list[dict]) -> Response:
        self._fail("commit")
        files = dict(repo.find(branch).files)
        for line in lines[1:]:
            self._apply(files, line["key"], line["value"])
        commit = repo.commit(branch, lines[0]["value"]["summary"], files)
        self._fail("after commit")
        url = f"{self.url}/{TYPES[key[0]]}{key[1]}/commit/{commit.oid}"
        return JSONResponse({"success": True, "commitOid": commit.oid, "commitUrl": url, "hookOutput": ""})

    def _apply(self, files: dict[str, File], key: str, value: dict) -> None:
        match key:
            case "file":
                files[value["path"]] = self._store(base64.b64decode(value["content"]))
            case "lfsFile" if value["oid"] in self.objects:
                files[value["path"]] = File(value["oid"], len(self.objects[value["oid"]]), lfs=True)
            case "deletedFile" if value["path"] in files:
                del files[value["path"]]
            case _:
                raise Refusal(400, f"{key} of {value['path']} cannot be: there is no such object or file")

    def _reference(self, repo: Repo, sort: str, name: str, content: dict) -> Response:
        if sort == "branch":
            names, name, source = repo.branches, name, content.get("startingPoint", "main")
        else:
            names, name, source = repo.tags, content["tag"], name
        if name in names:
            raise Refusal(409, f"The {sort} {name} exists already")
        names[name] = repo.find(source).oid
        return Response(status_code=201)

    def _download(self, request: Request, commit: Commit, path: str) -> Response:
        if path not in commit.files:
            headers = {"X-Repo-Commit": commit.oid, "X-Error-Code": "EntryNotFound"}
            return Response(status_code=404, headers={**headers, "X-Error-Message": "Entry not found"})
        file = commit.files[path]
        content, status = self.objects[file.oid], 200
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.oid}"', "Accept-Ranges": "bytes"}
        if file.lfs:
            headers["X-Linked-Size"], headers["X-Linked-ETag"] = str(file.size), f'"{file.oid}"'
        if wanted := request.headers.get("range"):
            first, last = wanted.removeprefix("bytes=").split("-")
            last = min(int(last or file.size), file.size - 1)
            content, status = content[int(first) : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
        return Response(content, status, headers, media_type="application/octet-stream")


def _paths_of(request: Request, body: bytes) -> list[str]:
    """The `paths` of a form, or of JSON."""
    if "json" in request.headers.get("content-type", ""):
        return json.loads(body)["paths"]
    pairs = [pair.split("=", 1) for pair in body.decode().split("&")]
    return [unquote(value.replace("+", " ")) for name, value in pairs if name == "paths"]


def _file_entry(path: str, file: File) -> dict:
    entry = {"type": "file", "path": path, "size": file.size, "oid": file.oid[:40]}
    return entry | ({"lfs": {"oid": file.oid, "size": file.size, "pointerSize": 134}} if file.lfs else {})


def _folder_entry(path: str) -> dict:
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}


def _commit_info(commit: Commit) -> dict:
    return {"id": commit.oid, "title": commit.title, "message": "", "date": DATE, "authors": []}


def _refs(repo: Repo) -> dict[str, list[dict]]:
    def listed(names: dict[str, str], sort: str) -> list[dict]:
        return [
            {"name": name, "ref": f"refs/{sort}/{name}", "targetCommit": oid} for name, oid in names.items()
        ]

    return {"branches": listed(repo.branches, "heads"), "tags": listed(repo.tags, "tags")}

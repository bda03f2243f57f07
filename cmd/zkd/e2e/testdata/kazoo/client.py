"""Runs kazoo against the server of the first argument, one function a step."""

import queue
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    BadVersionError,
    InvalidACLError,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.security import CREATOR_ALL_ACL, make_digest_acl

WAIT = 30  # seconds, for anything that must happen
SERVER = sys.argv[1]
clients = []


def connect(timeout=20.0, **options):
    """A connected client with a session of its own."""
    client = KazooClient(hosts=SERVER, timeout=timeout, **options)
    client.start(timeout=WAIT)
    clients.append(client)
    return client


def step(name):
    print("step " + name, flush=True)


def tell(request):
    print(request, flush=True)
    answer = sys.stdin.readline().strip()
    assert answer == "done", answer


def eventually(what, condition):
    """Waits until the condition holds."""
    end = time.monotonic() + WAIT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "not within %d s: %s" % (WAIT, what)
        pause.wait(0.02)


def await_item(items, wanted):
    """Takes what comes until it is what was wanted."""
    others = []
    while True:
        try:
            got = items.get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError("no %r came, but %r" % (wanted, others))
        if got == wanted:
            return
        others.append(got)


def raises(wanted, action, *args, **kwargs):
    try:
        action(*args, **kwargs)
    except wanted:
        return
    raise AssertionError("want %s, got no exception" % wanted.__name__)


def in_threads(functions):
    """Runs all functions at once and raises what any of them raised."""
    failures = []

    def guarded(function):
        try:
            function()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(f,), daemon=True) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * WAIT)
        assert not thread.is_alive(), "a thread is stuck"
    if failures:
        raise failures[0]


def nodes():
    zk = connect()
    assert zk.create("/nodes", b"1") == "/nodes"
    raises(NodeExistsError, zk.create, "/nodes", b"2")
    raises(NoNodeError, zk.create, "/none/child", b"")
    data, stat = zk.get("/nodes")
    assert data == b"1" and stat.version == 0 and stat.data_length == 1, (data, stat)
    assert zk.set("/nodes", b"22", version=0).version == 1
    raises(BadVersionError, zk.set, "/nodes", b"3", version=0)
    assert zk.exists("/none") is None
    assert zk.create("/nodes/s-", b"", sequence=True) == "/nodes/s-0000000000"
    assert zk.create("/nodes/e-", b"", ephemeral=True, sequence=True) == "/nodes/e-0000000001"
    assert zk.exists("/nodes/e-0000000001").ephemeralOwner == zk.client_id[0]
    path, created = zk.create("/nodes/with/stat", b"x", makepath=True, include_data=True)
    assert path == "/nodes/with/stat" and created.data_length == 1, (path, created)
    children, parent = zk.get_children("/nodes", include_data=True)
    assert sorted(children) == ["e-0000000001", "s-0000000000", "with"], children
    assert parent.children_count == 3 and parent.cversion == 3, parent
    assert zk.sync("/nodes") == "/nodes"
    raises(NotEmptyError, zk.delete, "/nodes")
    raises(BadVersionError, zk.delete, "/nodes/s-0000000000", version=7)
    zk.delete("/nodes", recursive=True)
    raises(NoNodeError, zk.get, "/nodes")
    assert zk.server_version()[:2] >= (3, 8), zk.server_version()
    assert zk.command(b"ruok") == "imok"


def transactions():
    zk = connect()
    zk.create("/tx", b"0")
    transaction = zk.transaction()
    transaction.check("/tx", version=0)
    transaction.create("/tx/child", b"c")
    transaction.set_data("/tx", b"1", version=0)
    transaction.delete("/tx/child")
    results = transaction.commit()
    assert results[0] is True and results[1] == "/tx/child" and results[2].version == 1 and results[3] is True, results
    failing = zk.transaction()
    failing.create("/tx/never")
    failing.check("/tx", version=0)
    failing.create("/tx/neither")
    kinds = [type(result) for result in failing.commit()]
    assert kinds == [RolledBackError, BadVersionError, RuntimeInconsistency], kinds
    assert zk.get_children("/tx") == []


def acls():
    owner = connect(auth_data=[("digest", "alice:secret")])
    stranger = connect()
    owner.create("/private", b"p", acl=CREATOR_ALL_ACL)
    acl, stat = owner.get_acls("/private")
    assert acl == [make_digest_acl("alice", "secret", all=True)] and stat.aversion == 0, acl
    for action in (stranger.get, stranger.get_children):
        raises(NoAuthError, action, "/private")
    raises(NoAuthError, stranger.set, "/private", b"x")
    raises(NoAuthError, stranger.create, "/private/child")
    raises(InvalidACLError, stranger.create, "/invalid", b"", acl=CREATOR_ALL_ACL)
    assert owner.set_acls("/private", [make_digest_acl("bob", "hidden", read=True)]).aversion == 1
    raises(NoAuthError, owner.get, "/private")
    stranger.add_auth("digest", "bob:hidden")
    assert stranger.get("/private")[0] == b"p"
    raises(NoAuthError, stranger.set, "/private", b"x")
    stranger.delete("/private")


def data_watch():
    zk = connect()
    seen = queue.Queue()

    @zk.DataWatch("/watched")
    def changed(data, stat):
        seen.put(data)

    await_item(seen, None)
    other = connect()
    other.create("/watched", b"1")
    await_item(seen, b"1")
    other.set("/watched", b"2")
    await_item(seen, b"2")
    other.delete("/watched")
    await_item(seen, None)


def children_watch():
    zk = connect()
    zk.create("/family")
    seen = queue.Queue()

    @zk.ChildrenWatch("/family")
    def changed(children):
        seen.put(sorted(children))

    await_item(seen, [])
    other = connect()
    other.create("/family/a")
    await_item(seen, ["a"])
    other.create("/family/b")
    await_item(seen, ["a", "b"])
    other.delete("/family/a")
    await_item(seen, ["b"])


def lock():
    contenders, turns = 4, 6
    connect().create("/counted", b"0")
    holders = []

    def contend():
        zk = connect()
        for _ in range(turns):
            with zk.Lock("/lock", "contender"):
                holders.append(zk)
                assert len(holders) == 1, "two hold the lock"
                count = int(zk.get("/counted")[0])
                zk.set("/counted", b"%d" % (count + 1))
                holders.remove(zk)

    in_threads([contend] * contenders)
    assert connect().get("/counted")[0] == b"%d" % (contenders * turns), "an increment is lost"


def election():
    led = queue.Queue()
    leading = []

    def stand(name):
        def lead():
            leading.append(name)
            assert leading == [name], "two lead: %r" % leading
            led.put(name)
            leading.remove(name)

        return lambda: connect().Election("/election", name).run(lead)

    in_threads([stand(name) for name in ("a", "b", "c")])
    assert sorted(led.get_nowait() for _ in range(3)) == ["a", "b", "c"]


def barrier():
    holder, waiter = connect(), connect()
    holder.Barrier("/barrier").create()
    assert not waiter.Barrier("/barrier").wait(0.2), "the barrier does not hold"

    def wait():
        assert waiter.Barrier("/barrier").wait(WAIT), "the waiter does not pass"

    in_threads([holder.Barrier("/barrier").remove, wait])
    members = 3
    arrived = []

    def enter():
        gate = connect().DoubleBarrier("/double", members)
        arrived.append(1)
        gate.enter()
        assert len(arrived) == members, "entered before all had come"
        gate.leave()

    in_threads([enter] * members)


def counter():
    def count():
        shared = connect().Counter("/count", default=0)
        for _ in range(10):
            shared += 1
        shared -= 1

    in_threads([count] * 3)
    assert connect().Counter("/count").value == 27


def reconnect():
    """A kill of the server costs a client its connection, never its session or its ephemerals."""
    states = queue.Queue()
    seen = queue.Queue()
    zk = connect(auth_data=[("digest", "alice:secret")])
    zk.add_listener(states.put)
    session = zk.client_id[0]
    zk.create("/kept", b"before", ephemeral=True)
    zk.create("/mine", b"m", acl=CREATOR_ALL_ACL)
    zk.create("/parent")
    held = zk.Lock("/held", "first")
    held.acquire()
    zk.DataWatch("/kept", lambda data, stat: seen.put(data))
    zk.ChildrenWatch("/parent", lambda children: seen.put(children))
    await_item(seen, b"before")
    await_item(seen, [])

    tell("server kill")
    await_item(states, KazooState.SUSPENDED)
    tell("server start")
    await_item(states, KazooState.CONNECTED)
    step("reconnected")

    assert zk.client_id[0] == session, "another session"
    assert zk.exists("/kept").ephemeralOwner == session, "the ephemeral is gone"
    assert zk.get("/mine")[0] == b"m", "the identity is gone"
    step("session kept over kill -9")

    other = connect()
    other.set("/kept", b"after")
    other.create("/parent/child")
    await_item(seen, b"after")
    await_item(seen, ["child"])
    step("watches kept over kill -9")

    contender = other.Lock("/held", "second")
    assert not contender.acquire(blocking=False), "two hold the lock"
    held.release()
    assert contender.acquire(timeout=WAIT), "the lock does not come"
    assert KazooState.LOST not in list(states.queue), "the session was lost"
    step("lock kept over kill -9")


def close():
    for client in clients:
        client.stop()
    assert connect().exists("/kept") is None, "an ephemeral outlived its session"


def main():
    for function in (nodes, transactions, acls, data_watch, children_watch, lock, election, barrier, counter):
        function()
        step(function.__name__)
    reconnect()
    close()
    step("close")
    clients[-1].stop()


main()

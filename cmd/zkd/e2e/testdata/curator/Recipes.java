import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.data.Stat;

/** Runs Curator's recipes against the server of its first argument, one method a step. */
public final class Recipes {
    private static final int SESSION_MILLIS = 20_000;
    private static final long WAIT_SECONDS = 30;

    private final String server;
    private final List<CuratorFramework> clients = new ArrayList<>();
    private final BufferedReader answers = new BufferedReader(new InputStreamReader(System.in));

    private Recipes(String server) {
        this.server = server;
    }

    public static void main(String[] args) {
        int status = 0;
        Recipes recipes = new Recipes(args[0]);
        try {
            recipes.run();
        } catch (Throwable failure) {
            failure.printStackTrace(System.out);
            status = 1;
        }
        System.exit(status); // Curator's threads would keep the JVM for a while
    }

    private void run() throws Exception {
        nodes();
        step("nodes");
        transaction();
        step("transaction");
        mutex();
        step("mutex");
        leaderLatch();
        step("leader latch");
        barrier();
        step("barrier");
        doubleBarrier();
        step("double barrier");
        sharedCount();
        step("shared count");
        persistentNode();
        step("persistent node");
        cache();
        step("cache");
        reconnect();
        for (CuratorFramework client : clients) {
            client.close();
        }
        sessionsEnd();
        step("close ends the session");
    }

    private void nodes() throws Exception {
        CuratorFramework client = connect();
        check("/nodes/a/b".equals(client.create().creatingParentsIfNeeded().forPath("/nodes/a/b", bytes("1"))), "created path");
        Stat stat = new Stat();
        check("1".equals(text(client.getData().storingStatIn(stat).forPath("/nodes/a/b"))), "data");
        check(stat.getVersion() == 0 && stat.getDataLength() == 1, "stat " + stat);
        check(client.setData().withVersion(0).forPath("/nodes/a/b", bytes("22")).getVersion() == 1, "version after set");
        expect(KeeperException.BadVersionException.class, () -> client.setData().withVersion(0).forPath("/nodes/a/b", bytes("3")));
        check(client.checkExists().forPath("/nodes/none") == null, "a node that does not exist");
        client.create().creatingParentContainersIfNeeded().forPath("/nodes/container/child");
        String protectedPath = client.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/nodes/p-", bytes("x"));
        check(protectedPath.matches("/nodes/_c_.*-p-0000000002"), "protected path " + protectedPath);
        check(client.checkExists().forPath(protectedPath).getEphemeralOwner() == session(client), "owner of the ephemeral");
        check(client.getChildren().forPath("/nodes").size() == 3, "children");
        client.delete().guaranteed().deletingChildrenIfNeeded().forPath("/nodes");
        check(client.checkExists().forPath("/nodes") == null, "deleted");
    }

    private void transaction() throws Exception {
        CuratorFramework client = connect();
        client.create().forPath("/tx", bytes("0"));
        List<CuratorTransactionResult> results = client.transaction().forOperations(
                client.transactionOp().check().withVersion(0).forPath("/tx"),
                client.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/tx/s-", bytes("s")),
                client.transactionOp().create().forPath("/tx/gone", bytes("g")),
                client.transactionOp().setData().withVersion(0).forPath("/tx", bytes("1")),
                client.transactionOp().delete().forPath("/tx/gone"));
        check(results.size() == 5, "results");
        check("/tx/s-0000000000".equals(results.get(1).getResultPath()), "sequential path " + results.get(1).getResultPath());
        check(results.get(3).getResultStat().getVersion() == 1, "version in the transaction");
        expect(KeeperException.BadVersionException.class, () -> client.transaction().forOperations(
                client.transactionOp().create().forPath("/tx/never"),
                client.transactionOp().check().withVersion(0).forPath("/tx")));
        check(client.checkExists().forPath("/tx/never") == null, "a failed transaction does nothing");
        check(client.checkExists().forPath("/tx").getNumChildren() == 1, "children after the transactions");
    }

    /** Contenders count up a node without versions: any second holder loses an increment. */
    private void mutex() throws Exception {
        int contenders = 4;
        int turns = 8;
        connect().create().forPath("/counter", bytes("0"));
        AtomicInteger holders = new AtomicInteger();
        List<Future<Void>> results = new ArrayList<>();
        ExecutorService threads = Executors.newFixedThreadPool(contenders);
        for (int i = 0; i < contenders; i++) {
            CuratorFramework client = connect();
            results.add(threads.submit(() -> {
                InterProcessMutex mutex = new InterProcessMutex(client, "/mutex");
                for (int turn = 0; turn < turns; turn++) {
                    check(mutex.acquire(WAIT_SECONDS, TimeUnit.SECONDS), "the mutex comes");
                    check(holders.incrementAndGet() == 1, "one holder");
                    int count = Integer.parseInt(text(client.getData().forPath("/counter")));
                    client.setData().forPath("/counter", bytes(Integer.toString(count + 1)));
                    holders.decrementAndGet();
                    mutex.release();
                }
                return null;
            }));
        }
        await(results);
        threads.shutdown();
        check(text(connect().getData().forPath("/counter")).equals(Integer.toString(contenders * turns)), "no increment lost");
    }

    private void leaderLatch() throws Exception {
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            LeaderLatch latch = new LeaderLatch(connect(), "/latch", "member-" + i);
            latch.start();
            latches.add(latch);
        }
        while (!latches.isEmpty()) {
            eventually("one leads", () -> leaders(latches).size() == 1);
            LeaderLatch leader = leaders(latches).get(0);
            eventually("all see the leader", () -> {
                for (LeaderLatch latch : latches) {
                    if (!latch.getLeader().getId().equals(leader.getId())) {
                        return false;
                    }
                }
                return true;
            });
            leader.close();
            latches.remove(leader);
        }
    }

    private static List<LeaderLatch> leaders(List<LeaderLatch> latches) {
        List<LeaderLatch> leaders = new ArrayList<>();
        for (LeaderLatch latch : latches) {
            if (latch.hasLeadership()) {
                leaders.add(latch);
            }
        }
        return leaders;
    }

    private void barrier() throws Exception {
        DistributedBarrier barrier = new DistributedBarrier(connect(), "/barrier");
        barrier.setBarrier();
        CuratorFramework waiter = connect();
        ExecutorService thread = Executors.newSingleThreadExecutor();
        Future<Boolean> passed = thread.submit(() -> new DistributedBarrier(waiter, "/barrier").waitOnBarrier(WAIT_SECONDS, TimeUnit.SECONDS));
        check(!new DistributedBarrier(connect(), "/barrier").waitOnBarrier(200, TimeUnit.MILLISECONDS), "the barrier holds");
        check(!passed.isDone(), "the waiter waits");
        barrier.removeBarrier();
        check(passed.get(WAIT_SECONDS, TimeUnit.SECONDS), "the waiter passes");
        thread.shutdown();
    }

    private void doubleBarrier() throws Exception {
        int members = 3;
        AtomicInteger arrived = new AtomicInteger();
        AtomicInteger left = new AtomicInteger();
        List<Future<Void>> results = new ArrayList<>();
        ExecutorService threads = Executors.newFixedThreadPool(members);
        for (int i = 0; i < members; i++) {
            DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(connect(), "/double", members);
            results.add(threads.submit(() -> {
                arrived.incrementAndGet();
                check(barrier.enter(WAIT_SECONDS, TimeUnit.SECONDS), "all enter");
                check(arrived.get() == members, "nobody enters before all have come");
                left.incrementAndGet();
                check(barrier.leave(WAIT_SECONDS, TimeUnit.SECONDS), "all leave");
                check(left.get() == members, "nobody leaves before all want to");
                return null;
            }));
        }
        await(results);
        threads.shutdown();
    }

    private void sharedCount() throws Exception {
        SharedCount writer = new SharedCount(connect(), "/shared", 7);
        SharedCount reader = new SharedCount(connect(), "/shared", 7);
        BlockingQueue<Integer> seen = new LinkedBlockingQueue<>();
        reader.addListener(new SharedCountListener() {
            @Override
            public void countHasChanged(SharedCountReader count, int newCount) {
                seen.add(newCount);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {
            }
        });
        writer.start();
        reader.start();
        check(reader.getCount() == 7, "the seed");
        check(writer.trySetCount(writer.getVersionedValue(), 8), "the first to set wins");
        check(Integer.valueOf(8).equals(seen.poll(WAIT_SECONDS, TimeUnit.SECONDS)), "the reader is told");
        eventually("the reader has the count", () -> reader.getCount() == 8);
        writer.close();
        reader.close();
    }

    private void persistentNode() throws Exception {
        PersistentNode node = new PersistentNode(connect(), CreateMode.EPHEMERAL, false, "/persistent", bytes("here"));
        node.start();
        check(node.waitForInitialCreate(WAIT_SECONDS, TimeUnit.SECONDS), "created");
        CuratorFramework other = connect();
        long first = other.checkExists().forPath("/persistent").getCzxid();
        other.delete().forPath("/persistent");
        eventually("it comes back", () -> {
            Stat stat = other.checkExists().forPath("/persistent");
            return stat != null && stat.getCzxid() > first;
        });
        check("here".equals(text(other.getData().forPath("/persistent"))), "with its data");
        node.close();
        eventually("it goes when it is closed", () -> other.checkExists().forPath("/persistent") == null);
    }

    /** CuratorCache lives on one persistent recursive watch. */
    private void cache() throws Exception {
        CuratorFramework writer = connect();
        writer.create().forPath("/cache", bytes("root"));
        writer.create().forPath("/cache/early", bytes("1"));
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        try (CuratorCache cache = watchedCache(connect(), "/cache", events)) {
            await(events, "created /cache");
            await(events, "created /cache/early");
            await(events, "ready");
            writer.create().creatingParentsIfNeeded().forPath("/cache/deep/er", bytes("2"));
            await(events, "created /cache/deep");
            await(events, "created /cache/deep/er");
            writer.setData().forPath("/cache/deep/er", bytes("3"));
            await(events, "changed /cache/deep/er");
            check("3".equals(text(cache.get("/cache/deep/er").get().getData())), "the cache has the new data");
            writer.delete().forPath("/cache/deep/er");
            await(events, "deleted /cache/deep/er");
            check(cache.size() == 3, "size of the cache");
        }
    }

    private static CuratorCache watchedCache(CuratorFramework client, String path, BlockingQueue<String> events) {
        CuratorCache cache = CuratorCache.build(client, path);
        cache.listenable().addListener(org.apache.curator.framework.recipes.cache.CuratorCacheListener.builder()
                .forCreates(node -> events.add("created " + node.getPath()))
                .forChanges((before, after) -> events.add("changed " + after.getPath()))
                .forDeletes(node -> events.add("deleted " + node.getPath()))
                .forInitialized(() -> events.add("ready"))
                .build());
        cache.start();
        return cache;
    }

    /** A kill of the server costs a client its connection, never its session, its ephemerals or its watches. */
    private void reconnect() throws Exception {
        BlockingQueue<ConnectionState> states = new LinkedBlockingQueue<>();
        BlockingQueue<String> watched = new LinkedBlockingQueue<>();
        BlockingQueue<String> cached = new LinkedBlockingQueue<>();
        CuratorFramework client = connect();
        client.getConnectionStateListenable().addListener((unused, state) -> states.add(state));
        long session = session(client);
        client.create().withMode(CreateMode.EPHEMERAL).forPath("/kept", bytes("before"));
        client.create().forPath("/tree");
        client.getData().usingWatcher((org.apache.zookeeper.Watcher) event -> watched.add(event.getType() + " " + event.getPath())).forPath("/kept");
        client.checkExists().usingWatcher((org.apache.zookeeper.Watcher) event -> watched.add(event.getType() + " " + event.getPath())).forPath("/later");
        InterProcessMutex mutex = new InterProcessMutex(client, "/held");
        mutex.acquire();
        CuratorCache cache = watchedCache(client, "/tree", cached);
        await(cached, "ready");

        tell("server kill");
        await(states, ConnectionState.SUSPENDED);
        tell("server start");
        await(states, ConnectionState.RECONNECTED);
        step("reconnected");

        check(session(client) == session, "the session id is the same");
        check(client.checkExists().forPath("/kept").getEphemeralOwner() == session, "the ephemeral is there");
        step("session kept over kill -9");

        CuratorFramework other = connect();
        other.setData().forPath("/kept", bytes("after"));
        other.create().forPath("/later");
        await(watched, "NodeDataChanged /kept");
        await(watched, "NodeCreated /later");
        step("one-shot watches kept over kill -9");

        other.create().forPath("/tree/new");
        await(cached, "created /tree/new");
        other.setData().forPath("/tree/new", bytes("x"));
        await(cached, "changed /tree/new");
        cache.close();
        step("persistent recursive watch kept over kill -9");

        InterProcessMutex contender = new InterProcessMutex(other, "/held");
        check(!contender.acquire(300, TimeUnit.MILLISECONDS), "the mutex is still held");
        mutex.release();
        check(contender.acquire(WAIT_SECONDS, TimeUnit.SECONDS), "and can be had once released");
        contender.release();
        check(!states.contains(ConnectionState.LOST), "the session was never lost");
        step("mutex kept over kill -9");
    }

    private void sessionsEnd() throws Exception {
        clients.clear();
        check(connect().checkExists().forPath("/kept") == null, "an ephemeral goes with its session");
    }

    private CuratorFramework connect() throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.builder()
                .connectString(server)
                .sessionTimeoutMs(SESSION_MILLIS)
                .connectionTimeoutMs(SESSION_MILLIS)
                .retryPolicy(new RetryOneTime(100))
                .build();
        client.start();
        check(client.blockUntilConnected((int) WAIT_SECONDS, TimeUnit.SECONDS), "connected");
        clients.add(client);
        return client;
    }

    private static long session(CuratorFramework client) throws Exception {
        return client.getZookeeperClient().getZooKeeper().getSessionId();
    }

    private static void step(String name) {
        System.out.println("step " + name);
    }

    private void tell(String request) throws Exception {
        System.out.println(request);
        check("done".equals(answers.readLine()), "answer to " + request);
    }

    private static void await(List<Future<Void>> results) throws Exception {
        for (Future<Void> result : results) {
            result.get(2 * WAIT_SECONDS, TimeUnit.SECONDS);
        }
    }

    /** Takes what comes until it is what was wanted. */
    private static <T> void await(BlockingQueue<T> queue, T wanted) throws Exception {
        List<T> others = new ArrayList<>();
        for (T got; (got = queue.poll(WAIT_SECONDS, TimeUnit.SECONDS)) != null; others.add(got)) {
            if (got.equals(wanted)) {
                return;
            }
        }
        throw new AssertionError("no " + wanted + " came, but " + others);
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void eventually(String what, Condition condition) throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS); !condition.holds(); ) {
            check(System.nanoTime() < end, what);
            never.await(20, TimeUnit.MILLISECONDS);
        }
    }

    private interface Action {
        void run() throws Exception;
    }

    private static void expect(Class<? extends Exception> wanted, Action action) throws Exception {
        try {
            action.run();
        } catch (Exception got) {
            check(wanted.isInstance(got), "want " + wanted + ", got " + got);
            return;
        }
        throw new AssertionError("want " + wanted + ", got no exception");
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, java.nio.charset.StandardCharsets.UTF_8);
    }
}

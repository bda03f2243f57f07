import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/**
 * Sends each operation of the client protocol once, through a proxy that records the bytes.
 * Prints CUT where the proxy is to break the connection: the client then sends its watches anew.
 */
public class Golden {
    private static final AtomicReference<CountDownLatch> connected = new AtomicReference<>(new CountDownLatch(1));

    public static void main(String[] args) throws Exception {
        ZooKeeperAdmin zk = new ZooKeeperAdmin(args[0], 3000, event -> {
            if (event.getState() == KeeperState.SyncConnected && event.getPath() == null) {
                connected.get().countDown();
            }
        });
        connected.get().await();
        writes(zk);
        reads(zk);
        failures(zk);
        multis(zk);
        watches(zk);
        zk.delete("/golden/a", -1);
        zk.close();
    }

    private static void writes(ZooKeeper zk) throws Exception {
        List<ACL> open = Ids.OPEN_ACL_UNSAFE;
        zk.create("/golden", null, open, CreateMode.PERSISTENT);
        zk.create("/golden/a", new byte[0], open, CreateMode.PERSISTENT, new Stat());
        zk.create("/golden/e", "ephemeral".getBytes(), open, CreateMode.EPHEMERAL);
        zk.create("/golden/s-", "sequence".getBytes(), open, CreateMode.PERSISTENT_SEQUENTIAL);
        zk.create("/golden/c", "container".getBytes(), open, CreateMode.CONTAINER, new Stat());
        zk.create("/golden/t", "ttl".getBytes(), open, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 3600000);
        zk.setData("/golden/a", "gr\u00fcn".getBytes("UTF-8"), 0);
        zk.addAuthInfo("digest", "user:pw".getBytes());
        zk.create("/golden/l", "locked".getBytes(), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        zk.setACL("/golden/l", Arrays.asList(
            new ACL(Perms.READ, new Id("ip", "10.0.0.0/8")), new ACL(Perms.ALL, new Id("digest", "user:hash"))), 0);
    }

    private static void reads(ZooKeeperAdmin zk) throws Exception {
        zk.exists("/golden/a", false);
        zk.getData("/golden", false, new Stat());
        zk.getData("/golden/a", false, new Stat());
        zk.getACL("/golden", new Stat());
        zk.getChildren("/golden", false);
        zk.getChildren("/golden/a", false, new Stat());
        zk.getEphemerals("/golden");
        zk.getAllChildrenNumber("/golden");
        zk.whoAmI();
        CountDownLatch synced = new CountDownLatch(1);
        zk.sync("/golden", (rc, path, ctx) -> synced.countDown(), null);
        synced.await();
        Thread.sleep(2000); // the client pings
    }

    private interface Call {
        void run() throws Exception;
    }

    private static void fails(Call call) throws Exception {
        try {
            call.run();
        } catch (KeeperException expected) {
            return;
        }
        throw new AssertionError("the server accepted what it must refuse");
    }

    private static void failures(ZooKeeperAdmin zk) throws Exception {
        fails(() -> zk.getData("/golden/none", false, null));
        fails(() -> zk.create("/golden", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(() -> zk.delete("/golden", 7));
        fails(() -> zk.setData("/golden/l", null, -1));
        fails(() -> zk.reconfigure("server.9=localhost:1:2;3", null, null, -1, new Stat()));
    }

    private static void multis(ZooKeeper zk) throws Exception {
        List<ACL> open = Ids.OPEN_ACL_UNSAFE;
        zk.multi(Arrays.asList(
            Op.create("/golden/m", "multi".getBytes(), open, CreateMode.PERSISTENT),
            Op.create("/golden/m/c", null, open, CreateMode.CONTAINER),
            Op.create("/golden/m/t", null, open, CreateMode.PERSISTENT_WITH_TTL, 3600000),
            Op.setData("/golden/m", "changed".getBytes(), 0),
            Op.check("/golden/m", 1),
            Op.delete("/golden/m/c", 0)));
        fails(() -> zk.multi(Arrays.asList(
            Op.create("/golden/n", null, open, CreateMode.PERSISTENT), Op.delete("/golden/none", -1), Op.check("/golden", 0))));
        zk.multi(new ArrayList<>());
        zk.multi(Arrays.asList(Op.getData("/golden/a"), Op.getChildren("/golden"), Op.getData("/golden/none")));
    }

    private static void watches(ZooKeeper zk) throws Exception {
        Watcher one = event -> { };
        Watcher two = event -> { };
        zk.getData("/golden/a", one, null);
        zk.getData("/golden/a", two, null);
        zk.exists("/golden/later", one);
        zk.getChildren("/golden", one);
        zk.removeWatches("/golden/a", two, Watcher.WatcherType.Data, false); // one stays: checkWatches
        zk.removeAllWatches("/golden/a", Watcher.WatcherType.Data, false); // removeWatches
        zk.getData("/golden/a", one, null);
        cut(zk); // setWatches
        zk.addWatch("/golden/p", one, AddWatchMode.PERSISTENT);
        zk.addWatch("/golden/r", one, AddWatchMode.PERSISTENT_RECURSIVE);
        cut(zk); // setWatches2
        zk.create("/golden/later", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.setData("/golden/a", "seen".getBytes(), -1);
        zk.create("/golden/r", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.delete("/golden/r", -1);
    }

    private static void cut(ZooKeeper zk) throws Exception {
        connected.set(new CountDownLatch(1));
        System.out.println("CUT");
        connected.get().await();
    }
}

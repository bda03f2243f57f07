// Package e2e proves servers with the clients that people run: it holds tests only.
//
// Most tests start one server process of their own, from an ordinary zoo.cfg, on a free loopback port and in a
// temporary directory, and drive real client programs against it: Java's zkCli and Curator's
// recipes, kazoo, the C client, go-zookeeper and node-zookeeper-client. What a client needs from a server
// is asserted on what the client itself says: its output, its exit status, its session id. Several
// tests kill the server with SIGKILL below a connected client and want the session, its
// ephemerals and its watches back.
//
// TestEnsemble... and TestMixed... start three or five servers, each on a host of its own: a network
// namespace behind one switch, so that all have the same zoo.cfg and lose the packets that a real network
// loses. Servers are killed, stand still, are cut off in one direction or both, or fill their disks, below clients that
// keep a history of what they were told: registers, a queue, a lock, watches. Afterwards the history
// must be one that the promises allow, no session may have ended, and all servers must have one tree.
//
//	namespace_test.go       all tests run in namespaces of their own: see there what that needs
//	network_test.go         hosts, and ways to cut them off
//	ensemble_test.go        servers, their roles, kill and pause
//	sessionclient_test.go   a client over all servers that looks at every frame
//	ensembleload_test.go    what clients do       ensemblechecks_test.go  what must be true afterwards
//	faults_test.go, diskfull_test.go, mixed_test.go, crowd_test.go        the tests
//
// The client programs lie in testdata and talk to the test over their standard streams:
//
//	program -> test   step NAME       the step of that name has passed
//	program -> test   server kill     kill the server with SIGKILL, answer when it is gone
//	program -> test   server start    start it again, answer when it serves
//	test -> program   done            the answer
//
// Every other line is the program's own and is shown when a test fails. Status 0 and all steps in
// order make a passed test.
//
// Settings from the environment:
//
//	ZKD_E2E_TARGET       zkd (default): build zkd/cmd/zkd and test it. apache (Debian's 3.8.0), apache-3.8,
//	                     apache-3.9: test that Apache ZooKeeper, which proves the suite and not zkd.
//	ZKD_ZK386_CLASSPATH  class path of the newest ZooKeeper 3.8, and
//	ZKD_ZK39_CLASSPATH   of a 3.9; without them, where packaging/setup.sh puts these.
//	ZKD_SOAK             how long each ...KillLoop runs, as time.ParseDuration reads it; without it, a few
//	                     rounds. go test wants a -timeout beyond it.
//	ZKD_SEED             seed of the load and of the choice of faults; without it, a new one, which a failure prints.
//
// setup.sh installs every program that these tests need, and packaging/setup.sh the two ZooKeepers. A missing one
// fails the test that needs it, with the name of the package: a skipped test would look like a passed one.
package e2e

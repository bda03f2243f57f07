// Package e2e proves a server with the clients that people run: it holds tests only.
//
// Each test starts one server process of its own, from an ordinary zoo.cfg, on a free loopback port and in a
// temporary directory, and drives real client programs against it: Java's zkCli and Curator's
// recipes, kazoo, the C client, go-zookeeper and node-zookeeper-client. What a client needs from a server
// is asserted on what the client itself says: its output, its exit status, its session id. Several
// tests kill the server with SIGKILL below a connected client and want the session, its
// ephemerals and its watches back.
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
//	ZKD_E2E_TARGET  zkd (default): build zkd/cmd/zkd and test it. apache: test Debian's Apache
//	                ZooKeeper, which proves the suite and not zkd.
//	ZKD_SOAK        how long the kill loop runs, as time.ParseDuration reads it; without it, a few
//	                rounds. go test wants a -timeout beyond it.
//	ZKD_SEED        seed of the kill loop's load; without it, a new one, which a failure prints.
//
// setup.sh installs every program that these tests need. A missing one fails the test that needs it, with the
// name of the package: a skipped test would look like a passed one.
package e2e

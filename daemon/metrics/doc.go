// Package metrics gives each number of the server its name on /metrics, in Prometheus' text format.
//
// It is the only importer of client_golang. It counts nothing itself: at each scrape it takes one
// picture of the server and writes it out, from a registry of its own.
//
// Where ZooKeeper 3.9 has a metric, its name, unit (milliseconds) and type are kept, so that existing
// dashboards and alerts go on working: no zk_ prefix, and counters under the bare name, without
// _total, as its Prometheus provider exposes them. What is new has the prefix zkd_, base units, and
// _total on counters. No label holds a path, a session or an address.
//
// A metric that counts what a server never does (elections on one that stands alone, dead watchers on
// any) is a true 0 there and exposed as that, because dashboards add it up. What only a member or only
// a leader has is exposed there alone, as ZooKeeper does. A metric of ZooKeeper whose value would have
// to be made up is not exposed.
package metrics

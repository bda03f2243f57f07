// Package zk is the vocabulary of ZooKeeper: identifiers, codes and numbers that every room shares.
//
// It imports nothing of zkd and holds no behaviour beyond arithmetic and names. Source for all
// values: the client protocol of Apache ZooKeeper 3.9 (zookeeper.jute, ZooDefs, KeeperException).
package zk

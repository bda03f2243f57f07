// Package proto holds the records of ZooKeeper's wires and files: what clients send and get, and
// the transactions in the log.
//
// Every record has Append, which encodes it behind b, and Decode, which reads its fields from d;
// the caller checks d.Err once. Strings and byte slices of a decoded record are views of the frame
// (see [jute.Decoder]). A nil slice is jute's null; an empty one is not.
//
// Source: zookeeper.jute of Apache ZooKeeper 3.9.
package proto

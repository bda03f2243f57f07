package session

import (
	"crypto/subtle"
	"encoding/binary"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// FirstID returns the id of the first session that a server creates in a role that began at
// wallMillis, ms since 1970. Later ones count up from it: see [NextID].
//
//	byte 7    bytes 6..2                 bytes 1..0
//	server    low 40 bits of wallMillis  0
//
// ZooKeeper takes its monotonic clock here, so that ids can come again after a reboot of the host;
// the wall clock makes that unlikely. Source: SessionTrackerImpl.initializeNextSessionId.
func FirstID(server zk.ServerID, wallMillis int64) zk.SessionID {
	const millisMask = 1<<40 - 1
	return notContainer(zk.SessionID(int64(server)<<56 | wallMillis&millisMask<<16))
}

// NextID returns the id after id. The caller skips ids that are in the session table.
func NextID(id zk.SessionID) zk.SessionID { return notContainer(id + 1) }

// notContainer steps over the one id that means "container" as the owner of a node.
func notContainer(id zk.SessionID) zk.SessionID {
	if int64(id) == zk.OwnerContainer {
		return id + 1
	}
	return id
}

// Constants of java.util.Random, and ZooKeeper's salt of session passwords.
const (
	randomMultiplier = 0x5DEECE66D
	randomIncrement  = 0xB
	randomMask       = 1<<48 - 1
	passwordSalt     = 0xB3415C00
)

// Password returns the password of a session. It is a function of the id that anybody can compute,
// and exactly Java's, so that a client can move between zkd and ZooKeeper servers: 16 bytes of
// java.util.Random seeded with id XOR 0xB3415C00. Source: ZooKeeperServer.generatePasswd.
func Password(id zk.SessionID) [proto.PasswordBytes]byte {
	var passwd [proto.PasswordBytes]byte
	seed := (uint64(id) ^ passwordSalt ^ randomMultiplier) & randomMask
	for i := 0; i < len(passwd); i += 4 {
		seed = (seed*randomMultiplier + randomIncrement) & randomMask
		binary.LittleEndian.PutUint32(passwd[i:], uint32(seed>>16))
	}
	return passwd
}

// CheckPassword reports whether passwd is the password of session id, in a time that does not
// depend on where they differ. No password opens session 0.
func CheckPassword(id zk.SessionID, passwd []byte) bool {
	want := Password(id)
	return id != 0 && subtle.ConstantTimeCompare(want[:], passwd) == 1
}

// Package client keeps one session with a ZooKeeper ensemble: it connects, stays connected, and gives every
// operation of the protocol a method.
//
//	Do ──> calls ──> serve ──> writer ──> conn        one goroutine each for serve, writer and reader of a
//	                   │                    │         connection, one that outlives connections (run), and
//	OnEvent <─ events <┴─ frames <─ reader <┘         one that hands out events
//
// What it promises:
//
//   - A session is kept over broken connections: the servers are tried in turn, the session is taken up
//     again, identities and watches are sent again, in this order and before anything else.
//   - A read whose connection broke is sent again on the next one. A write is not, for nobody knows whether
//     it was done: it fails with [ErrConnectionLoss].
//   - Events arrive in the order in which the server sent them, at a function of the caller's, which may
//     call the client. An event is handed out after the watch that it uses up is forgotten.
//   - Requests are sent in the order of their calls. At most [maxPending] wait for an answer; further
//     calls wait.
//
// What it refuses: it opens no second session when the first has expired, since ephemerals and watches
// of the old one are gone and only the caller knows what to do about that. It caches nothing, and it
// retries no operation that the server has answered.
package client

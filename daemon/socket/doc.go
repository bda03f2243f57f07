// Package socket is the operators' way into a running server: a unix socket for what changes it or tells what
// clients do.
//
//	POST /sessions/list      -> {"sessions":[{"id":"0x100...","timeout_ms":...,"client":"ip:port","ephemerals":[...]}]}
//	POST /sessions/kill      {"ids":["0x100..."]} -> {"killed":["0x100..."],"unknown":[]}
//	POST /connections/list   -> {"connections":[{"client":"ip:port","session":"0x100...",...}]}
//	POST /connections/shed   {"percent":25} -> {"closed":7}
//	POST /leader/hand-over   -> {"leader":2}
//	POST /snapshot/save      -> the bytes of a snapshot file that is new; Zkd-Snapshot has its name
//	POST /log/level          {"level":"debug"} -> {"level":"debug","was":"info"}
//	POST /config/reload      -> {"changed":["log.level"],"waiting":[]}
//	GET  /debug/pprof/       profiles of the process
//	GET  everything else     what the admin port answers, and its commands that tell of clients
//
// An error is {"error":"a sentence"} with 400 for a request that is wrong, 403 for a stranger, 409 where the state
// of the server forbids it, 503 where it does not serve.
//
// The file has the mode 0660 and belongs to the group of the server, and who connects is asked of the kernel once
// more: root, the server's own user, and members of that group. Every change is logged with who asked for it. A file
// that a crash has left is replaced; one that another server answers on is an error.
//
// [Server] is the one side, [Client] the other. The room acts on a server through [Source] and knows nothing of how
// it does what it is told.
package socket

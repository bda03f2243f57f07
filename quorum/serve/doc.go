// Package serve is the client port: frames, handshakes, sessions on connections, reads, and the
// four-letter words.
//
//	frame    int length (0..max frame), body
//	first    4 bytes of a known word, or the frame of a ConnectRequest
//	request  RequestHeader, record
//	reply    ReplyHeader, record unless err is not 0
//
// Each connection has one goroutine. It reads what the socket holds, decodes all complete frames,
// answers reads in place, hands the writes among them to the replica as one batch, and sends all
// replies with one write. The replica's loop appends the replies of writes itself. A request behind
// a write of its own connection waits for it, in a queue; nothing else waits.
//
// Memory: an idle connection holds no buffer. Every queue has a bound: a client that sends too much
// is not read, one that reads too little is cut off.
package serve

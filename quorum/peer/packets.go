package peer

import (
	"fmt"
	"strings"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
)

const (
	// readBytes is how much is read at once.
	readBytes = 64 << 10
	// keepReadBytes is the largest buffer kept for the next packet.
	keepReadBytes = 1 << 20
)

// packetBuffer collects the bytes of a stream into packets. It holds at most one packet of max bytes,
// or readBytes, and claims memory only as bytes arrive.
type packetBuffer struct {
	max        int // of a packet, bytes
	buf        []byte
	begin, end int // what was read and not taken
}

func (p *packetBuffer) buffered() []byte { return p.buf[p.begin:p.end] }

// room returns the space to read into next, at least a byte. It moves what is buffered.
func (p *packetBuffer) room() []byte {
	switch {
	case p.buf == nil, p.begin == p.end && len(p.buf) > keepReadBytes:
		p.buf, p.begin, p.end = make([]byte, readBytes), 0, 0
	case p.begin == p.end:
		p.begin, p.end = 0, 0
	case p.end == len(p.buf):
		to := p.buf
		if p.begin == 0 { // full: one packet that is larger
			to = make([]byte, max(len(p.buf)+1, min(2*len(p.buf), p.max)))
		}
		p.end = copy(to, p.buffered())
		p.buf, p.begin = to, 0
	}
	return p.buf[p.end:]
}

// next takes the first packet, if it is whole. Its Data and AuthInfo are views, valid until room.
func (p *packetBuffer) next() (packet proto.QuorumPacket, whole bool, err error) {
	size, whole, err := proto.PacketSize(p.buffered(), p.max)
	if err != nil || !whole {
		return packet, false, err
	}
	d := jute.NewDecoder(p.buf[p.begin : p.begin+size])
	packet.Decode(&d)
	if err := d.Err(); err != nil {
		return packet, false, fmt.Errorf("peer: packet of %d bytes: %w", size, err)
	}
	p.begin += size
	return packet, true, nil
}

// take takes all packets that are whole, up to and with a SNAP if untilSnap. They may be kept: their
// Data is a copy, in one piece of memory no larger than needed. With an error there may be packets
// before it.
func (p *packetBuffer) take(untilSnap bool) (packets []proto.QuorumPacket, err error) {
	dataBytes := 0
	for {
		packet, whole, nextErr := p.next()
		if nextErr != nil || !whole {
			err = nextErr
			break
		}
		packets = append(packets, packet)
		dataBytes += len(packet.Data)
		if untilSnap && packet.Type == proto.PacketSnap {
			break
		}
	}
	data := make([]byte, 0, dataBytes)
	for i := range packets {
		if view := packets[i].Data; view != nil {
			data = append(data, view...)
			packets[i].Data = data[len(data)-len(view) : len(data) : len(data)]
		}
		for j, id := range packets[i].AuthInfo {
			packets[i].AuthInfo[j] = proto.ID{Scheme: strings.Clone(id.Scheme), ID: strings.Clone(id.ID)}
		}
	}
	return packets, err
}

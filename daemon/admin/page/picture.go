package page

import (
	"fmt"
	"math"
	"strings"
)

// The picture of the ensemble, in units of its own, about one to a pixel. The server that is asked is in the
// middle and the others are around it: what is known of reachability is known from there.
//
//	        (2)
//	         |  reached: a line. Shut: dashes and a cross. Not known: dots.
//	(3) --- [1] --- (4)
const (
	nodeRadius = 24
	lineHeight = 16
	// aroundMost is how many others stand around the middle. More stand in rows, without lines.
	aroundMost = 12
	inRow      = 8
	cellWidth  = 116
	cellHeight = 118
)

type picture struct {
	Width, Height int
	Links         []link
	Nodes         []node
	Text          string // the same in words
}

// link is from the middle at X1, Y1 to X, Y; its cross is at MX, MY.
type link struct {
	Reach                Reach
	X1, Y1, X, Y, MX, MY int
}

type node struct {
	Member
	X, Y   int
	Square bool
	Lines  []label
}

type label struct {
	X, Y int
	Text string
}

// draw makes the picture of an ensemble.
func draw(members []Member) picture {
	var self *Member
	var others []Member
	for i := range members {
		if members[i].Self && self == nil {
			self = &members[i]
		} else {
			others = append(others, members[i])
		}
	}
	var p picture
	if self == nil || len(others) > aroundMost {
		p = rows(members)
	} else {
		p = around(*self, others)
	}
	p.Text = inWords(members)
	return p
}

func around(self Member, others []Member) picture {
	n := len(others)
	rx, ry := 125+8*n, 0
	if n > 2 {
		rx, ry = 105+9*n, 95+5*n
	}
	cx := rx + cellWidth/2
	// With an even number the first is not straight above, so that none is straight below, where the words of
	// the middle are.
	start := -math.Pi / 2
	switch {
	case n == 1:
		start = 0 // beside it: there is one line only
	case n%2 == 0:
		start += math.Pi / float64(max(n, 1))
	}
	at := func(i int) (x, y int) {
		angle := start + 2*math.Pi*float64(i)/float64(n)
		return cx + round(float64(rx)*math.Cos(angle)), round(float64(ry) * math.Sin(angle))
	}
	upper, lower := 0, 0
	for i := range others {
		_, y := at(i)
		upper, lower = min(upper, y), max(lower, y)
	}
	cy := nodeRadius + 8 - upper
	p := picture{Width: 2 * cx, Height: cy + lower + nodeRadius + 10 + 3*lineHeight}
	for i, m := range others {
		x, y := at(i)
		y += cy
		p.Links = append(p.Links, link{Reach: m.Reach, X1: cx, Y1: cy, X: x, Y: y, MX: (2*cx + 3*x) / 5, MY: (2*cy + 3*y) / 5})
		p.Nodes = append(p.Nodes, nodeAt(m, x, y))
	}
	p.Nodes = append(p.Nodes, nodeAt(self, cx, cy))
	return p
}

func rows(members []Member) picture {
	n := len(members)
	p := picture{Width: min(n, inRow) * cellWidth, Height: (n + inRow - 1) / inRow * cellHeight}
	for i, m := range members {
		p.Nodes = append(p.Nodes, nodeAt(m, i%inRow*cellWidth+cellWidth/2, i/inRow*cellHeight+nodeRadius+8))
	}
	return p
}

func round(x float64) int { return int(math.Round(x)) }

func nodeAt(m Member, x, y int) node {
	n := node{Member: m, X: x, Y: y, Square: m.Observer}
	for i, text := range captions(m) {
		n.Lines = append(n.Lines, label{X: x, Y: y + nodeRadius + 18 + i*lineHeight, Text: text})
	}
	return n
}

func captions(m Member) []string {
	var all []string
	if m.Self {
		all = append(all, "this server")
	}
	all = append(all, m.roleText())
	if m.Lag != "" {
		all = append(all, m.Lag)
	}
	return all
}

func (m Member) roleText() string {
	switch {
	case m.Role == "" && m.Observer:
		return "observer?"
	case m.Role == "":
		return "role not known"
	default:
		return m.Role
	}
}

// inWords is the picture for those who do not see it.
func inWords(members []Member) string {
	var b strings.Builder
	for i, m := range members {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "server %d: %s", m.ID, strings.Join(captions(m), ", "))
		switch m.Reach {
		case Reached:
			b.WriteString(", can be reached")
		case Shut:
			b.WriteString(", cannot be reached")
		case NotKnown:
			b.WriteString(", not known whether it can be reached")
		}
	}
	return b.String()
}

// Left and Upper are the corner of a square node.
func (n node) Left() int { return n.X - nodeRadius }

// Upper is the other half of [node.Left].
func (n node) Upper() int { return n.Y - nodeRadius }

package page

import (
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"testing"
)

func ensemble(n int) (members []Member) {
	for i := range n {
		members = append(members, Member{ID: int64(i + 1), Self: i == 1, Role: "follower", Reach: Reached, Level: Good, Lag: "up to date"})
	}
	return members
}

// Of every size: all members are there, inside the picture, and no two of them, nor their words, are on top of
// each other.
func TestAllMembersAreInThePicture(t *testing.T) {
	for n := 2; n <= 254; n++ {
		p := draw(ensemble(n))
		if len(p.Nodes) != n {
			t.Fatalf("%d members: %d nodes", n, len(p.Nodes))
		}
		if want := n - 1; n <= aroundMost+1 && len(p.Links) != want {
			t.Errorf("%d members: %d lines, want %d", n, len(p.Links), want)
		}
		seen := map[int64]bool{}
		for i, a := range p.Nodes {
			seen[a.ID] = true
			last := a.Lines[len(a.Lines)-1]
			if a.X < 50 || a.X+50 > p.Width || a.Y < nodeRadius || last.Y+4 > p.Height {
				t.Errorf("%d members: server %d at %d,%d with words down to %d leaves the picture of %dx%d", n, a.ID, a.X, a.Y, last.Y, p.Width, p.Height)
			}
			for _, b := range p.Nodes[:i] {
				if math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y)) < 2*nodeRadius+8 {
					t.Errorf("%d members: servers %d and %d are on top of each other", n, a.ID, b.ID)
				}
			}
			if !strings.Contains(p.Text, fmt.Sprintf("server %d: ", a.ID)) {
				t.Errorf("%d members: server %d is not in words", n, a.ID)
			}
		}
		if len(seen) != n {
			t.Errorf("%d members: %d different ones", n, len(seen))
		}
	}
}

func TestTheServerThatIsAskedIsInTheMiddle(t *testing.T) {
	for n := 3; n <= aroundMost+1; n++ {
		p := draw(ensemble(n))
		self := p.Nodes[len(p.Nodes)-1]
		if !self.Self || self.X != p.Width/2 {
			t.Errorf("%d members: %+v, of a width of %d", n, self, p.Width)
		}
		for _, l := range p.Links {
			if l.X1 != self.X || l.Y1 != self.Y {
				t.Errorf("%d members: a line begins at %d,%d", n, l.X1, l.Y1)
			}
			if l.X == self.X && l.Y > self.Y {
				t.Errorf("%d members: a line runs straight down, through the words of the middle", n)
			}
		}
	}
}

func TestThePictureInWords(t *testing.T) {
	p := draw([]Member{
		{ID: 1, Self: true, Role: "leader", Reach: OwnServer},
		{ID: 2, Role: "follower", Reach: Reached, Lag: "3 transactions behind"},
		{ID: 3, Reach: Shut},
		{ID: 4, Observer: true, Reach: NotKnown},
	})
	const want = "server 1: this server, leader; server 2: follower, 3 transactions behind, can be reached; " +
		"server 3: role not known, cannot be reached; server 4: observer?, not known whether it can be reached"
	if p.Text != want {
		t.Errorf("got  %s\nwant %s", p.Text, want)
	}
}

func TestPaths(t *testing.T) {
	for name, test := range map[string]struct {
		points []Point
		want   string
	}{
		"nothing":              {nil, ""},
		"from left to right":   {[]Point{{600, 0, true}, {300, 5, false}, {0, 10, false}}, "M2 78L150 40L298 2"},
		"a gap":                {[]Point{{600, 0, true}, {450, 0, false}, {150, 10, true}, {0, 10, false}}, "M2 78L76 78M224 2L298 2"},
		"one alone is seen":    {[]Point{{300, 5, true}}, "M149 40h2"},
		"one alone at the end": {[]Point{{600, 0, true}, {450, 0, false}, {300, 10, true}}, "M2 78L76 78M149 2h2"},
	} {
		if got := path(test.points, 600, 10); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestPlotsInWords(t *testing.T) {
	for name, test := range map[string]struct {
		plot Plot
		want string
	}{
		"one line": {Plot{Title: "Reads", Unit: "/s", Step: 5, Lines: []Line{{Points: []Point{{10, 12, true}, {5, 1234.4, false}, {0, 40.06, false}}}}},
			"Reads: now 40.1/s, least 12/s, most 1\u202f234/s"},
		"two lines, one without a value now": {Plot{Title: "Sync", Unit: " ms", Step: 5, Lines: []Line{
			{Name: "half", Points: []Point{{20, 0.25, true}}}, {Name: "99 of 100", Points: []Point{{9, 1.5, true}}}}},
			"Sync: half: nothing now, least 0.25 ms, most 0.25 ms; 99 of 100: now 1.5 ms, least 1.5 ms, most 1.5 ms"},
		"nothing at all": {Plot{Title: "Reads", Lines: []Line{{}}}, "Reads: nothing measured"},
	} {
		test.plot.Span = 600
		if got := plot(test.plot).Text; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.0004: "0", 0.25: "0.25", 0.9: "0.9", 1: "1", 9.999: "10", 10: "10", 12.34: "12.3",
		99.96: "100", 100: "100", 123.4: "123", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := number(x); got != want {
			t.Errorf("%v: %q, want %q", x, got, want)
		}
	}
}

func TestTheUpperEdgeIsARoundNumber(t *testing.T) {
	for x, want := range map[float64]float64{0: 1, 0.3: 0.5, 0.5: 0.5, 1: 1, 1.1: 2, 2: 2, 3: 5, 7: 10, 10: 10, 11: 20, 4999: 5000, 5000: 5000, 5001: 10000} {
		if got := ceiling(x); math.Abs(got-want) > want*1e-9 {
			t.Errorf("%v: %v, want %v", x, got, want)
		}
	}
}

func TestTheIconIsAPictureOfItsOwnForEachLevel(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range []Level{Good, Warning, Error} {
		body, err := New().Render(View{Level: l})
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(body), `<link rel="icon" href="`)
		href, _, _ := strings.Cut(rest, `"`)
		href = html.UnescapeString(href)
		if !strings.HasPrefix(href, "data:image/svg+xml,%3Csvg%20") || seen[href] {
			t.Errorf("%s: %q", l, href)
		}
		seen[href] = true
	}
}

func TestOfLargeEnsemblesThePictureIsWellFormed(t *testing.T) {
	for _, n := range []int{1, 2, 7, 13, 14, 254} {
		body, err := New().Render(View{Ensemble: &Ensemble{Members: ensemble(n)}})
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(body), `<svg class="picture"`)
		svg, _, found := strings.Cut(rest, "</svg>")
		if !found {
			t.Fatalf("%d members: no picture", n)
		}
		nodes := 0
		for d := xml.NewDecoder(strings.NewReader("<svg" + svg + "</svg>")); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%d members: %v", n, err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "g" {
				nodes++
			}
		}
		if nodes != n {
			t.Errorf("%d nodes of %d members", nodes, n)
		}
	}
}

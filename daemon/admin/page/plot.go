package page

import (
	"fmt"
	"math"
	"strings"
)

// A plot is plotWidth by plotHeight units, stretched to what room there is; a unit of margin keeps lines whole
// that run along an edge.
const (
	plotWidth, plotHeight = 300, 80
	plotMargin            = 2
)

// curves is a plot ready to be drawn.
type curves struct {
	Title  string
	Empty  bool   // nothing is known
	Top    string // the number at the upper edge
	Lines  []curve
	Text   string // all in words
	Dashed bool   // there is a second line
}

// curve is one line of a plot.
type curve struct {
	Name, Now string
	Path      string // what d of an SVG path takes
}

// plot works out where the lines are.
func plot(p Plot) curves {
	c := curves{Title: p.Title, Empty: true, Dashed: len(p.Lines) > 1}
	most := 0.0
	for _, l := range p.Lines {
		for _, point := range l.Points {
			most, c.Empty = max(most, point.Value), false
		}
	}
	top := ceiling(most)
	c.Top = number(top) + p.Unit
	words := []string{}
	for _, l := range p.Lines {
		line := curve{Name: l.Name, Now: "–", Path: path(l.Points, p.Span, top)}
		said := strings.TrimSpace(l.Name + " ")
		if said != "" {
			said += ": "
		}
		if n := len(l.Points); n > 0 {
			now := "nothing now"
			if last := l.Points[n-1]; last.Ago < 2*p.Step {
				line.Now = number(last.Value) + p.Unit
				now = "now " + line.Now
			}
			least, most := math.Inf(1), 0.0
			for _, point := range l.Points {
				least, most = min(least, point.Value), max(most, point.Value)
			}
			said += fmt.Sprintf("%s, least %s%s, most %s%s", now, number(least), p.Unit, number(most), p.Unit)
		} else {
			said += "nothing measured"
		}
		c.Lines = append(c.Lines, line)
		words = append(words, said)
	}
	c.Text = p.Title + ": " + strings.Join(words, "; ")
	return c
}

// path draws the points; one that has no neighbour becomes a short stroke.
func path(points []Point, span, top float64) string {
	var b strings.Builder
	for i, p := range points {
		x := plotMargin + (1-p.Ago/span)*(plotWidth-2*plotMargin)
		y := plotHeight - plotMargin - p.Value/top*(plotHeight-2*plotMargin)
		from := i == 0 || p.Gap
		switch {
		case from && (i+1 == len(points) || points[i+1].Gap):
			fmt.Fprintf(&b, "M%s %sh2", coordinate(x-1), coordinate(y))
		case from:
			fmt.Fprintf(&b, "M%s %s", coordinate(x), coordinate(y))
		default:
			fmt.Fprintf(&b, "L%s %s", coordinate(x), coordinate(y))
		}
	}
	return b.String()
}

// coordinate has a tenth of a unit.
func coordinate(x float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0")
}

// ceiling is the least of 1, 2 and 5 times a power of ten that is not below x; 1 for 0.
func ceiling(x float64) float64 {
	if x <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, step := range []float64{1, 2, 5} {
		if x <= step*power*(1+1e-9) {
			return step * power
		}
	}
	return 10 * power
}

// number has three digits that count, or all before the point.
func number(x float64) string {
	if x == 0 {
		return "0"
	}
	decimals := 0
	switch {
	case x < 1:
		decimals = 3
	case x < 10:
		decimals = 2
	case x < 100:
		decimals = 1
	}
	text := fmt.Sprintf("%.*f", decimals, x)
	if strings.Contains(text, ".") {
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:] // a narrow space that does not break
	}
	return text
}

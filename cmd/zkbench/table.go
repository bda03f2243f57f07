package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// figure is one number of the table, NaN where nothing was measured.
type figure = float64

// table is a Markdown table; its first row is the head.
type table [][]string

// write pads the cells so that the text can be read as it is, too.
func (t table) write(b *strings.Builder) {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	line := func(row []string) {
		for i, cell := range row {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+1))
		}
		b.WriteString("|\n")
	}
	line(t[0])
	for _, width := range widths {
		b.WriteString("|" + strings.Repeat("-", width+2))
	}
	b.WriteString("|\n")
	for _, row := range t[1:] {
		line(row)
	}
}

// versus is a cell: two figures and their ratio, or as much as there is of them.
func versus(ours, theirs figure) string {
	switch {
	case math.IsNaN(ours) && math.IsNaN(theirs):
		return "–"
	case math.IsNaN(theirs):
		return grouped(ours)
	case math.IsNaN(ours):
		return "– / " + grouped(theirs)
	default:
		return grouped(ours) + " / " + grouped(theirs) + " = " + short(ours/theirs)
	}
}

// short is a number with three digits that mean something, two behind the point at most.
func short(v figure) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case math.Abs(v) >= 10:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	text := strconv.FormatFloat(v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimSuffix(text, "0"), ".0")
}

// exact is a number of an aim, with three digits at most.
func exact(v figure) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// percent is a share in per cent.
func percent(v figure) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v*100, 'f', 0, 64) + " %"
}

// grouped is short with commas between thousands.
func grouped(v figure) string {
	digits, behind, point := strings.Cut(short(v), ".")
	var groups []string
	for len(digits) > 3 && digits[0] != '-' {
		groups = append(groups, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	slices.Reverse(groups)
	text := strings.Join(append([]string{digits}, groups...), ",")
	if point {
		text += "." + behind
	}
	return text
}

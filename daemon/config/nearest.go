package config

// nearest returns the candidate that is most likely meant by name, "" if none is close: one letter
// in three may be wrong, and one in any case. The first of equals wins.
func nearest(name string, candidates []string) string {
	folded := foldKey(name)
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		other := foldKey(c)
		if max(len(folded)-len(other), len(other)-len(folded)) >= bestDistance {
			continue // so many letters would have to come or go
		}
		if d := distance(folded, other); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// foldKey makes spellings that differ only in case and separators equal: dataDir, data_dir, data-dir.
func foldKey(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_' || c == '-':
		case c >= 'A' && c <= 'Z':
			b = append(b, c+'a'-'A')
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// distance is the number of bytes to insert, delete or replace, or neighbours to swap, that turns a
// into b (optimal string alignment).
func distance(a, b string) int {
	before, previous, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := previous[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, previous[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, previous, row = previous, row, before
	}
	return previous[len(b)]
}

package tree

import "strings"

// parentOf returns the path of the parent, "" for children of the root.
func parentOf(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

// nameOf returns the last component of path, "" of the root.
func nameOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// pathUnits returns the length of path in UTF-16 units, as Java counts it.
func pathUnits(path string) int {
	units := len(path)
	for i := range len(path) {
		switch c := path[i]; {
		case c < 0x80:
		case c < 0xc0: // continues a character
			units--
		case c >= 0xf0: // needs two units
			units++
		}
	}
	return units
}

// clientPath returns the path as clients know it: the root is "/".
func clientPath(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

package quorum

import (
	"runtime/debug"
	"time"
)

// buildDate is the time of the commit this program was built from, as ZooKeeper prints its build time.
func buildDate() string {
	const layout = "2006-01-02 15:04 MST"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.time" {
				if t, err := time.Parse(time.RFC3339, setting.Value); err == nil {
					return t.UTC().Format(layout)
				}
			}
		}
	}
	return time.Unix(0, 0).UTC().Format(layout)
}
